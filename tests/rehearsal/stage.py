"""A stage on MiniStack, as its owner sees it: the checkout, the commands, the account, the URLs."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from deployment import stage as stages
from tests.emulators.ministack.process import ACCESS_KEY, REGION, SECRET_KEY, Process
from tests.processes import ROOT

ACCOUNT = "000000000000"
COMMAND_SECONDS = 180  # with the package index on the way
FOLDERS = ("chalicelib", "deployment", ".chalice")
FILES = ("app.py", "requirements.in", "requirements.lock", "requirements.txt", ".gitignore")
MADE_HERE = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "local")
AUTHOR = {
    f"GIT_{role}_{what}": "rehearsal@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


class CommandFailed(Exception):
    """A command failed; the message is its whole output."""


@dataclass(frozen=True)
class Ran:
    """Exit status of a command and its whole output."""

    status: int
    said: str


class RehearsedStage:
    """`project` is a checkout of the service and the deployment, which may be changed between deploys.

    `name` is the stage's name in config.json.
    """

    def __init__(self, emulator: Process, project: Path, name: str) -> None:
        self.emulator = emulator
        self.project = project
        self.name = name
        self._clients: dict[str, Any] = {}

    @property
    def described(self) -> stages.Stage:
        """The stage's settings in the project."""
        return stages.read(self.project, self.name)

    # --- the checkout

    @property
    def version(self) -> str:
        """The version that a deploy of the checkout has."""
        return self.git("rev-parse", "HEAD")[:12]

    def commit(self, path: str, change: Callable[[str], str]) -> None:
        """Commits the changed text of a file."""
        file = self.project / path
        before = file.read_text(encoding="utf-8")
        after = change(before)
        assert after != before, path
        file.write_text(after, encoding="utf-8")
        self.git("commit", "--quiet", "--all", "--message", f"Changes {path}")

    def cloned(self, folder: Path) -> RehearsedStage:
        """The same stage, from another checkout."""
        self.git("clone", "--quiet", ".", str(folder))
        return RehearsedStage(self.emulator, folder, self.name)

    def git(self, *arguments: str) -> str:
        environ = {**os.environ, **AUTHOR}
        run = subprocess.run(
            ["git", *arguments],  # noqa: S607 - git itself
            cwd=self.project,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout.strip()

    # --- the commands

    def deploy(self, *options: str) -> str:
        """Runs `make deploy STAGE=…` with a yes and returns its output. Raises CommandFailed."""
        return self._done("deploy", "--yes", *options)

    def destroy(self, *options: str) -> str:
        """Runs `make destroy STAGE=…` with a yes and returns its output. Raises CommandFailed."""
        return self._done("destroy", "--yes", *options)

    def disconnect(self) -> str:
        """Runs `make disconnect STAGE=…` and returns its output. Raises CommandFailed."""
        return self._done("disconnect")

    def run(self, name: str, *options: str, answer: str = "") -> Ran:
        """Runs a command on a terminal, where `answer` is typed ahead."""
        ours, theirs = pty.openpty()
        try:
            os.write(ours, answer.encode())
            run = subprocess.run(
                [sys.executable, "-m", "tests.rehearsal.command", name, "--stage", self.name, *options],
                cwd=self.project,  # whose `deployment` is found before that of this checkout
                env=self.emulator.aws() | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        return Ran(run.returncode, run.stdout)

    def _done(self, name: str, *options: str) -> str:
        ran = self.run(name, *options)
        if ran.status != 0:
            raise CommandFailed(f"{name}: {ran.status}\n{ran.said}\n{self.emulator.log()}")
        return ran.said

    # --- the account

    @cached_property
    def session(self) -> boto3.session.Session:
        """Session of the account's root, to which no policy applies."""
        return boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            make: Any = self.session.client  # types-boto3 cannot know the service
            self._clients[service] = make(service, endpoint_url=self.emulator.url)
        return self._clients[service]

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """Tables of boto3 by logical id."""
        dynamodb = self.session.resource("dynamodb", endpoint_url=self.emulator.url)
        return {logical: dynamodb.Table(name) for logical, name in self.described.tables.items()}

    def key(self) -> str:
        """The stage's signing key, as an issuer reads it."""
        name = self.described.key_reference.removeprefix("ssm:")
        value: str = self.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        return value

    def resources(self) -> dict[str, str]:
        """Physical ids of the resources of the stage's stack by their logical ids."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.described.stack)
            for one in page["StackResourceSummaries"]
        }

    def drifted(self) -> dict[str, set[str]]:
        """Paths of the properties that differ from the stack's template, by the resource's logical id."""
        client = self.client("cloudformation")
        begun = client.detect_stack_drift(StackName=self.described.stack)["StackDriftDetectionId"]
        told = client.describe_stack_drift_detection_status(StackDriftDetectionId=begun)
        assert told["DetectionStatus"] == "DETECTION_COMPLETE", told
        drifts = client.describe_stack_resource_drifts(
            StackName=self.described.stack, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
        )["StackResourceDrifts"]
        return {
            one["LogicalResourceId"]: {each["PropertyPath"] for each in one["PropertyDifferences"]} for one in drifts
        }

    # --- what is kept for other stages

    @property
    def bucket(self) -> str:
        """The bucket that keeps what was deployed."""
        return f"sessions-artifacts-{ACCOUNT}-{REGION}"

    def kept(self, folder: str) -> list[str]:
        """Keys of the kept objects below a folder of the bucket."""
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=folder)
        return [one["Key"] for one in found.get("Contents", [])]

    def forget_kept(self) -> None:
        """Deletes what no command deletes: the bucket of artifacts, and the account's role for access logs."""
        bucket = self.session.resource("s3", endpoint_url=self.emulator.url).Bucket(self.bucket)
        bucket.object_versions.delete()
        bucket.delete()
        gateway, iam = self.client("apigateway"), self.client("iam")
        role = gateway.get_account()["cloudwatchRoleArn"].rpartition("/")[2]
        gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}])
        for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=role)

    # --- the APIs

    @property
    def http(self) -> str:
        return self.emulator.execute_api(self.resources()["RestAPI"], self.described.api_stage)

    @property
    def websocket(self) -> str:
        api = self.emulator.execute_api(self.resources()["WebsocketAPI"], self.described.api_stage)
        return api.replace("http", "ws", 1)


@contextlib.contextmanager
def empty_account(name: str = "dev") -> Iterator[RehearsedStage]:
    """An empty emulator, and a checkout to deploy a stage there, of this one as it is."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch, contextlib.closing(Process(mended=True)) as begun:
        project = Path(scratch) / "sessions"
        project.mkdir()
        for folder in FOLDERS:
            shutil.copytree(ROOT / folder, project / folder, ignore=MADE_HERE)
        for file in FILES:
            shutil.copy(ROOT / file, project / file)
        _place(project / ".chalice" / "operations.json", name)
        stage = RehearsedStage(begun, project, name)
        stage.git("init", "--quiet")
        stage.git("add", "--all")
        stage.git("commit", "--quiet", "--message", "The service and its deployment")
        yield stage


def _place(operations: Path, name: str) -> None:
    """Names the account and region in which the stage stands."""
    settings = json.loads(operations.read_text(encoding="utf-8"))
    settings[name] |= {"account": ACCOUNT, "region": REGION}
    operations.write_text(json.dumps(settings, indent=2), encoding="utf-8")
