"""A stage on MiniStack, as its owner sees it: the commands, the account, the URLs."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from deployment import stage as stages
from tests.emulators.ministack import workarounds
from tests.emulators.ministack.process import ACCESS_KEY, REGION, SECRET_KEY, Process
from tests.processes import ROOT

NAME = "dev"
COMMAND_SECONDS = 180  # with the package index on the way
CARRIED = ("app.py", "chalicelib", "deployment", "requirements.txt", ".chalice")
MADE_HERE = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "local.key")


class CommandFailed(Exception):
    """A command failed; the message is its whole output."""


class RehearsedStage:
    """`project` is a copy of the service and the deployment, which may be changed between deploys."""

    def __init__(self, emulator: Process, project: Path) -> None:
        self.emulator = emulator
        self.project = project
        self._clients: dict[str, Any] = {}

    @property
    def described(self) -> stages.Stage:
        """The stage's settings in the project."""
        return stages.read(self.project, NAME)

    # --- the commands

    def deploy(self) -> str:
        """Runs `make deploy STAGE=dev` and returns its output. Raises CommandFailed."""
        return self._command("deploy")

    def destroy(self) -> str:
        """Runs `make destroy STAGE=dev` and returns its output. Raises CommandFailed."""
        return self._command("destroy")

    def _command(self, name: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "tests.rehearsal.command", name, "--stage", NAME],
            cwd=self.project,  # whose `deployment` is found before that of this checkout
            env=self.emulator.aws() | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        if run.returncode != 0:
            raise CommandFailed(f"{name}: {run.returncode}\n{run.stdout}\n{run.stderr}\n{self.emulator.log()}")
        return run.stdout

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

    # --- the APIs

    def api(self, kind: str) -> str:
        """The id in Chalice's record of `rest_api` or `websocket_api`."""
        record = json.loads((self.project / ".chalice" / "deployed" / f"{NAME}.json").read_text(encoding="utf-8"))
        [found] = [one[f"{kind}_id"] for one in record["resources"] if one["name"] == kind]
        return str(found)

    @property
    def http(self) -> str:
        return self.emulator.execute_api(self.api("rest_api"), self.described.api_stage)

    @property
    def websocket(self) -> str:
        api = self.emulator.execute_api(self.api("websocket_api"), self.described.api_stage)
        return api.replace("http", "ws", 1)


@contextlib.contextmanager
def empty_account() -> Iterator[RehearsedStage]:
    """An empty emulator, and a copy of the project to deploy there."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch, contextlib.closing(Process(mended=True)) as begun:
        project = Path(scratch) / "sessions"
        project.mkdir()
        for name in CARRIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, project / name, ignore=MADE_HERE)
            else:
                shutil.copy(ROOT / name, project / name)
        workarounds.put_beside(project)
        yield RehearsedStage(begun, project)
