"""An empty account for tests that ask AWS: moto's, or one whose answers a test writes down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from botocore.session import Session
from botocore.stub import Stubber

from deployment.aws import Aws, Place

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-central-1"


def session(region: str = REGION) -> Session:
    made = Session()
    made.set_config_variable("region", region)
    made.set_credentials("AKIDEXAMPLE", "never used")
    return made


@contextmanager
def emulated(region: str = REGION, *, managed_policies: bool = False) -> Iterator[Aws]:
    """An account of moto, empty; AWS's own IAM policies take a second to load."""
    from moto import mock_aws

    with mock_aws(config={"iam": {"load_aws_managed_policies": managed_policies}}):
        yield Aws(session(region))


class Answers:
    """An account whose services answer what a test adds to their stubs, in that order, and nothing else."""

    def __init__(self, *services: str) -> None:
        self.place = Place("aws", REGION, ACCOUNT)
        self._clients = {one: session().create_client(one) for one in services}
        self.stubs = {one: Stubber(client) for one, client in self._clients.items()}

    def client(self, service: str) -> Any:
        return self._clients[service]

    @contextmanager
    def given(self) -> Iterator[Aws]:
        """The account; each answer that was added must be asked for."""
        for stub in self.stubs.values():
            stub.activate()
        yield cast("Aws", self)
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()
