"""An emulated AWS with two tables, its calls and its faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from tests.aws.rooms import SEED, SPECS

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.moto.emulator import Aws, Emulated


@pytest.fixture(scope="module")
def emulated() -> Emulated:
    from pytest_sessionplugin.aws.moto.emulator import Emulated

    return Emulated(SPECS, SEED)


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def faults(emulated: Emulated) -> Faults:
    return Faults(picture=emulated.picture)


@pytest.fixture
def aws(emulated: Emulated, calls: Calls, faults: Faults) -> Iterator[Aws]:
    from pytest_sessionplugin.aws import environment

    with environment.applied(environment.neutral("us-east-1")), emulated.open(calls, faults) as aws:
        yield aws
