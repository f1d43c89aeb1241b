"""The commands `openapi` and `asyncapi`: write the contract of an app, or add to it what the app has and it lacks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_sessionplugin.account.account import Account
from pytest_sessionplugin.app import skeleton
from pytest_sessionplugin.app.description import describe
from pytest_sessionplugin.app.project import Memory
from pytest_sessionplugin.aws.calls import Uncounted
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.contract import merge
from pytest_sessionplugin.contract.documents import Documents, content_of, is_json_file, text_of
from pytest_sessionplugin.contract.edits import Addition, applied, as_json, as_yaml, inserted
from pytest_sessionplugin.errors import ContractError, GatewayWarning, ProjectError
from pytest_sessionplugin.serving.console import Console
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings

if TYPE_CHECKING:
    from pytest_sessionplugin.app.project import Project


@dataclass(frozen=True)
class ContractUpdate:
    """A contract as its file has it, and everything that the app has and the file lacks."""

    path: Path
    name: str  # of the file, in messages
    before: str | None  # the text of the file; None if there is none
    content: Any  # with the additions
    additions: Sequence[Addition]
    added: Sequence[str]
    by_hand: Sequence[str] = ()
    gone: Sequence[str] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the file lacks nothing."""
        return not (self.added or self.by_hand)

    def write(self) -> None:
        """Raises ContractError for a file that cannot be extended or written; then it stays as it is."""
        if not self.added:
            return
        text = self._text()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(text.encode())
        except OSError as error:
            raise ContractError(self.name, f"it cannot be written: {error.strerror}.") from error

    def _text(self) -> str:
        if is_json_file(self.path):
            return as_json(self.content, like=self.before or "")
        if self.before is None:
            return as_yaml(self.content)
        text = inserted(self.before, self.additions, self.name)
        if not _means(self.path, text, self.content):
            said = "; ".join(self.added)
            raise ContractError(self.name, f"it has YAML of a kind that cannot be extended. Add by hand: {said}.")
        return text

    def told(self, *, is_written: bool) -> str:
        """A report for people: the state of the file, and a line for each addition and each part that is gone."""
        if self.is_whole:
            head = f"{self.name} has all that the app has."
        elif not is_written:
            head = f"{self.name} {'does not exist' if self.before is None else 'lacks'}:"
        else:
            head = f"{self.name} is {'new' if self.before is None else 'extended' if self.added else 'as it was'}:"
        lines = [f"  + {each}" for each in self.added]
        lines += [f"  ! {each}: to be written by hand" for each in self.by_hand]
        lines += [f"  - {each}: in the file, not in the app" for each in self.gone]
        return "\n".join([head, *lines])


def update(project: Project, kind: str, path: Path, here: Path) -> ContractUpdate:
    """Compares the contract at `path` with the app. `kind` is `openapi` or `asyncapi`. Writes nothing.

    Raises ProjectError for an app without such an API, ContractError for a file that cannot be read.
    """
    made = skeleton_of(project, kind)
    name = path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()
    if not path.exists():
        if not made["operations" if kind == "asyncapi" else "paths"]:
            has = "WebSocket handlers" if kind == "asyncapi" else "routes"
            raise ProjectError(project.root, f"{project.app_file}: the app has no {has}, so there is no contract.")
        return ContractUpdate(path, name, None, made, (), _parts(made))
    root = Documents(here).open(path)
    found = (merge.asyncapi if kind == "asyncapi" else merge.openapi)(root, made)
    content = applied(root.value, found.additions, name)
    return ContractUpdate(path, name, text_of(path), content, found.additions, found.added, found.by_hand, found.gone)


def _means(path: Path, text: str, content: Any) -> bool:
    try:
        return bool(content_of(path, text) == content)
    except ContractError:
        return False


def _parts(made: dict[str, Any]) -> tuple[str, ...]:
    """The operations of a skeleton."""
    if "paths" not in made:
        return tuple(f"operation {name}" for name in made["operations"])
    return tuple(
        f"{method.upper()} {path}" for path, item in made["paths"].items() for method in item if method != "parameters"
    )


def skeleton_of(project: Project, kind: str) -> dict[str, Any]:
    """The skeleton of an app, which is imported in an account of its own."""
    HOOK.install()
    with ExitStack() as stack:
        stack.enter_context(chdir(project.root))
        tokens = stack.enter_context(Tokens(TokenSettings.of(project.section("tokens"))))
        memory = Memory(project, tokens=tokens)
        account = Account(
            stack.enter_context(memory.open()),
            calls=Uncounted(),
            notebook=Console(),
            first=_none,
            others=_none,
            clock=time.time,
            other_hosts=project.other_hosts,
        )
        stack.enter_context(account.open())
        account.add(project.name, memory, tokens, _none)
        app = project.load()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GatewayWarning)  # of a gateway, which there is not
            api = describe(app, project, memory.region)
        return (skeleton.asyncapi if kind == "asyncapi" else skeleton.openapi)(app, api, project.name)


def _none(*_: object) -> NoReturn:
    raise NotImplementedError("nothing is deployed")
