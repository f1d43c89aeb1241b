"""Runs `python -m deployment` in this process, against the completed moto server.

Records calls, and can refuse them.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.session import Session

from deployment import __main__ as command
from deployment import chalice
from tests.rehearsal.moto import moto_lacks, read_back
from tests.rehearsal.moto.moto_server import MotoServer

MODELS = Session().get_component("data_loader")  # saves each session half a second of reading botocore's models
DENIED = "User: arn:aws:iam::123456789012:user/deployer is not authorized to perform this"


@dataclass(frozen=True)
class Ran:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Asked:
    """One call of the code under test."""

    operation: str  # such as iam.CreateRole
    given: Mapping[str, Any]


@dataclass
class Command:
    """The command and its account; AWS is only reachable through `environ`."""

    environ: Mapping[str, str]
    calls: list[Asked] = field(default_factory=list)
    refuse: Callable[[str], bool] = field(default=lambda operation: False)

    def __post_init__(self) -> None:
        with mock.patch.dict(os.environ, self.environ, clear=True):
            self._lacking = moto_lacks.Completed(_session())
        self._sessions: list[Session] = []

    def run(self, project: Path, *arguments: str) -> Ran:
        """Runs in this process: another one would take a second more, to import botocore and Chalice."""
        out, err = io.StringIO(), io.StringIO()
        self.calls.clear()
        with self._in_its_place(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = command.main(["--project", str(project), *arguments])
        return Ran(status, out.getvalue(), err.getvalue())

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A session for the test's own calls, which are neither recorded nor refused."""
        with self._in_its_place():
            session = _session()
            self._lacking.complete(session)
            yield session

    def account(self) -> read_back.Account:
        with self.session() as session:
            return read_back.account(session)

    @contextlib.contextmanager
    def _in_its_place(self) -> Iterator[None]:
        """Restores the environment, the path and the module `app`, which Chalice changes."""
        ours, path = sys.modules.pop("app", None), [*sys.path]
        with (
            mock.patch.dict(os.environ, self.environ, clear=True),
            mock.patch.object(chalice, "session", functools.partial(self._noted, chalice.session)),
            mock.patch.object(sys, "dont_write_bytecode", True),
        ):
            try:
                yield
            finally:
                sys.path[:] = path
                sys.modules.pop("app", None)
                if ours is not None:
                    sys.modules["app"] = ours

    def _noted(self, made: Callable[[], Session]) -> Session:
        """The one session of all runs, since clients take longer to create than to use.

        Refusals come first, so a refused call has no effect.
        """
        if not self._sessions:
            session = made()
            session.register_component("data_loader", MODELS)
            session.register("before-parameter-build", self._note)
            session.register("before-call", self._refuse)
            self._lacking.complete(session)
            session.create_client = functools.cache(session.create_client)  # type: ignore[method-assign]
            self._sessions.append(session)
        return self._sessions[0]

    def _note(self, **event: Any) -> None:
        self.calls.append(Asked(moto_lacks.operation(event["model"]), event["params"]))

    def _refuse(self, **event: Any) -> Any:
        if not self.refuse(moto_lacks.operation(event["model"])):
            return None
        return moto_lacks.Status(403), {"Error": {"Code": "AccessDenied", "Message": DENIED}, "ResponseMetadata": {}}


def at(server: MotoServer) -> Command:
    """The command, in an empty account."""
    server.empty()
    return Command(server.environment)


def _session() -> Session:
    session = Session()
    session.register_component("data_loader", MODELS)
    return session
