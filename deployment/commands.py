"""The commands that change an account, step by step. After a failure, each can be repeated."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deployment import change_set, documents, guards, key, lint, logs, package, source
from deployment.artifacts import Artifacts
from deployment.aws import Aws
from deployment.change_set import ChangeSet, Rollback
from deployment.errors import DeploymentError
from deployment.monitoring.alarms import rollback_alarms
from deployment.progress import Progress
from deployment.stacks import Stacks
from deployment.stage import Stage

LOOKS: Final = {"Delay": 2, "MaxAttempts": 150}  # seconds between two looks at a table, and their number


@dataclass(frozen=True)
class Target:
    """A stage in its account, and the commands' way to the outside. `show` prints a line."""

    aws: Aws
    stage: Stage
    stacks: Stacks
    progress: Progress
    show: Callable[[str], None]
    coloured: bool
    visit: Callable[[str, str], None]  # takes the URLs of the two APIs


@dataclass(frozen=True)
class Kept:
    """A stage's template, kept in the bucket of artifacts."""

    version: str
    url: str


def ensure_tables(target: Target) -> None:
    """Brings the tables' stack and the signing key up to date, for `chalice deploy`. Raises DeploymentError."""
    guards.refuse_place(target.aws, target.stage)
    guards.refuse_stacks(target.stage, target.stacks)
    with _Prepared(target) as prepared:
        prepared.execute("tables", prepared.tables())
    _ensure_key(target)


def build_and_keep(target: Target) -> Kept:
    """Packages the checkout and uploads it. Raises DeploymentError, before any call that changes the account."""
    stage, progress = target.stage, target.progress
    with progress.step("account"):
        guards.refuse(target.aws, stage, target.stacks)
    with tempfile.TemporaryDirectory() as scratch:
        with progress.step("package") as step:
            exported = source.export(stage.root, Path(scratch) / "source")
            if exported.dirty and stage.kept:
                raise DeploymentError(f"{stage.name} is kept, and the checkout differs from its commit: commit first.")
            packaged = package.build(stage, exported, Path(scratch) / "package", step.detail)
            step.note(packaged.version)
        with progress.step("cfn-lint") as step:
            lint.check({stage.stack: packaged.template, stage.tables_stack: tables_template(stage)}, target.show)
        with progress.step("upload") as step:
            artifacts = Artifacts(target.aws, stage.app)
            artifacts.ensure()
            code = artifacts.put_code(packaged.code, packaged.digest)
            template = package.located(packaged.template, code)
            step.note(artifacts.bucket)
            return Kept(packaged.version, artifacts.put_template(stage.name, packaged.version, template))


def find_kept(target: Target, version: str) -> Kept:
    """The template of an earlier deploy. Raises DeploymentError, which names the versions that are kept.

    `version` may be the whole id of a commit.
    """
    with target.progress.step("account"):
        guards.refuse(target.aws, target.stage, target.stacks)
    version = source.shortened(version)
    if target.stage.kept and source.DIRTY in version:
        raise DeploymentError(f"{target.stage.name} is kept, and {version} is not a commit: name another version.")
    return Kept(version, Artifacts(target.aws, target.stage.app).template_url(target.stage.name, version))


def deploy(
    target: Target, kept: Kept, agreed: Callable[[], bool] | None, *, with_tables: bool = True
) -> Mapping[str, str] | None:
    """Shows the changes, and executes them once `agreed` returns true. Returns the URLs of the stage.

    None is a no, or a plan, which is without `agreed`: stacks, key and role are as they were. Without `with_tables`,
    tables and signing key stay as they are. Raises DeploymentError.
    """
    with _Prepared(target) as prepared:
        with target.progress.step("change sets"):
            tables = prepared.tables() if with_tables else None
            functions = prepared.functions(kept)
        changed = [one for one in (tables, functions) if one is not None and not one.empty]
        for one in changed:
            target.show(f"\n{one.name}")
            for line in change_set.table(one.changes, coloured=target.coloured):
                target.show(line)
        if not changed:
            target.show(f"Nothing changes: {target.stage.stack} stands as version {kept.version} describes it.")
        if agreed is None or (changed and not agreed()):
            return None
        if tables is not None:
            prepared.execute("tables", tables)
            _ensure_key(target)
        with target.progress.step("role for access logs") as step:
            step.note("created" if logs.ensure(target.aws) else "exists already")
        prepared.execute("functions, APIs, monitoring", functions)
    urls = find_urls(target)
    with target.progress.step("visit"):
        target.visit(urls["http"], urls["websocket"])
    return urls


def destroy(target: Target, *, with_data: bool) -> None:
    """Deletes the stage's stack; with `with_data` the tables and the signing key as well. Raises DeploymentError.

    Each part that is missing is skipped.
    """
    aws, stage, stacks = target.aws, target.stage, target.stacks
    guards.refuse_place(aws, stage)
    guards.refuse_stacks(stage, stacks)
    with target.progress.step("functions, APIs, monitoring") as step:
        stacks.remove(stage.stack, step)
    if not with_data:
        return
    with target.progress.step("tables") as step:
        delete_tables(target)
        stacks.remove(stage.tables_stack, step)
    with target.progress.step("signing key"):
        key.remove(aws, stage)


def delete_tables(target: Target) -> None:
    """Deletes the tables of the tables' stack, which would retain them. Protected ones lose their protection first."""
    ours = target.stacks.resources(target.stage.tables_stack)
    client = target.aws.client("dynamodb")
    for table in target.stage.tables.values():
        if table not in ours:
            continue
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            if client.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
                client.update_table(TableName=table, DeletionProtectionEnabled=False)
                client.get_waiter("table_exists").wait(TableName=table, WaiterConfig=LOOKS)
            client.delete_table(TableName=table)
            client.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig=LOOKS)


def find_urls(target: Target) -> dict[str, str]:
    """The URLs of the deployed stage: `http` and `websocket`."""
    outputs = target.stacks.outputs(target.stage.stack)
    return {"http": outputs[package.HTTP_URL].rstrip("/"), "websocket": outputs[package.WEBSOCKET_URL].rstrip("/")}


def tables_template(stage: Stage) -> dict[str, Any]:
    """`.chalice/resources.json`, unchanged."""
    return documents.read(stage.folder / "resources.json")


def tables_parameters(stage: Stage) -> dict[str, str]:
    """Parameters of `.chalice/resources.json`: kept tables cannot be deleted, and can be restored to any second."""
    return {"Stage": stage.name, "Kept": str(stage.kept).lower()}


class _Prepared(contextlib.AbstractContextManager["_Prepared"]):
    """Change sets of a target. Those that are not executed by the end of the block are discarded."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pending: list[ChangeSet] = []

    def __exit__(self, *_: object) -> None:
        with contextlib.ExitStack() as discarded:  # the others, even if one cannot be discarded
            for one in self._pending:
                discarded.callback(one.discard)

    def tables(self) -> ChangeSet:
        stage = self._target.stage
        return self._made(
            stage.tables_stack,
            template=tables_template(stage),
            parameters=tables_parameters(stage),
            description=f"Tables of {stage.full_name}",
        )

    def functions(self, kept: Kept) -> ChangeSet:
        stage, place = self._target.stage, self._target.aws.place
        prefix = f"arn:{place.partition}:cloudwatch:{place.region}:{place.account}:alarm:"
        return self._made(
            stage.stack,
            url=kept.url,
            parameters={},
            description=f"Version {kept.version} of {stage.full_name}",
            rollback=Rollback(tuple(prefix + name for name in rollback_alarms(stage)), stage.rollback_minutes),
        )

    def execute(self, name: str, changes: ChangeSet) -> None:
        with self._target.progress.step(name) as step:
            self._pending.remove(changes)
            changes.execute(step)

    def _made(self, name: str, **request: Any) -> ChangeSet:
        stage = self._target.stage
        made = change_set.make(
            self._target.stacks, name, tags=stage.tags, role=stage.service_role, protect=stage.kept, **request
        )
        self._pending.append(made)
        return made


def _ensure_key(target: Target) -> None:
    with target.progress.step("signing key") as step:
        step.note("created" if key.ensure(target.aws, target.stage) else "exists already")
