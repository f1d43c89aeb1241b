"""Fixtures of the service that several of its tests begin with. Imports nothing that a unit test would pay for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chalicelib.storage import Store
    from pytest_sessionplugin.aws.tables import Tables


@pytest.fixture
def dynamodb_store(dynamodb_tables: Tables) -> Store:
    from chalicelib import dynamo
    from chalicelib.storage import Store
    from tests.stores import names_of

    return Store(dynamo.connect("us-east-1"), names_of(dynamodb_tables))
