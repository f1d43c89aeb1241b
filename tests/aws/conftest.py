"""An emulated AWS with two tables, its calls and its faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from tests.aws.opened import Opened, opened
from tests.aws.rooms import SEED, SPECS

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.moto.emulator import Emulator


@pytest.fixture(scope="module")
def emulated() -> Emulator:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    return Emulator(SPECS, SEED)


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def faults(emulated: Emulator) -> Faults:
    return Faults(picture=emulated.picture)


@pytest.fixture
def aws(emulated: Emulator, calls: Calls, faults: Faults) -> Iterator[Opened]:
    from pytest_sessionplugin.aws import environment

    with environment.applied(environment.neutral("us-east-1")), opened(emulated, calls, faults) as aws:
        yield aws
