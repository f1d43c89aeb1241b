"""The stage `dev`, deployed to moto's server once, for tests of the doctor. Breakages have to be undone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.session import Session

from deployment import chalice
from tests.rehearsal.moto import command, moto_lacks, project
from tests.rehearsal.moto.command import Command, Ran
from tests.rehearsal.moto.moto_server import MotoServer


class Quotas:
    """Service Quotas of an account by their codes; moto has those of VPC alone.

    For a quota that was never raised, AWS has a default and no account value.
    """

    def __init__(self, refused: Callable[[str], bool]) -> None:
        self._refused = refused
        self.values = {"L-8A5B8E43": 10_000.0, "L-CDF5615A": 5_000.0, "L-B99A9384": 1_000.0}
        self.given_to_all = {"L-CDF5615A"}

    def answer(self, **event: Any) -> Any:
        asked = moto_lacks.operation(event["model"])
        if not asked.startswith("service-quotas.") or self._refused(asked):
            return None
        code = event["context"][moto_lacks.GIVEN]["QuotaCode"]
        known = self.values.keys() - self.given_to_all if asked.endswith(".GetServiceQuota") else self.given_to_all
        if code not in known & self.values.keys():
            return moto_lacks.Status(400), {"Error": {"Code": "NoSuchResourceException", "Message": "There is none."}}
        return moto_lacks.Status(), {"Quota": {"QuotaCode": code, "Value": self.values[code]}}


@dataclass
class Told:
    """Result of a doctor's run on the account: sentences by the id of their check."""

    ran: Ran
    failed: dict[str, list[str]]
    notes: dict[str, list[str]]
    ok: set[str]


class Place:
    """An account, its quotas, and a project that may be deployed in it."""

    def __init__(self, server: MotoServer, root: Path) -> None:
        self.root = project.copied(root)
        self.commands: Command = command.at(server)
        self.quotas = Quotas(lambda operation: self.commands.refuse(operation))
        self._clients: dict[str, Any] = {}

    def run(self, *arguments: str, root: Path | None = None) -> Ran:
        with self._with_quotas():
            return self.commands.run(root or self.root, *arguments)

    def doctor(self, root: Path | None = None) -> Told:
        ran = self.run("doctor", "--stage", "dev", "--account", "--json", root=root)
        found: dict[str, dict[str, list[str]]] = {"failed": {}, "note": {}, "ok": {}}
        for one in json.loads(ran.out)["checks"]:
            if one["id"].startswith("account-"):
                found[one["outcome"]][one["id"]] = one["sentences"]
        return Told(ran, found["failed"], found["note"], set(found["ok"]))

    def client(self, service: str) -> Any:
        if service not in self._clients:
            with self.commands.session() as session:
                self._clients[service] = session.create_client(service)
        return self._clients[service]

    def bare(self, service: str) -> Any:
        """A client of moto without the workarounds."""
        with mock.patch.dict(os.environ, self.commands.environ, clear=True):
            return Session().create_client(service)

    @contextmanager
    def _with_quotas(self) -> Iterator[None]:
        made = chalice.session

        def session() -> Session:
            one = made()
            one.register("before-call", self.quotas.answer)
            return one

        with mock.patch.object(chalice, "session", session):
            yield
