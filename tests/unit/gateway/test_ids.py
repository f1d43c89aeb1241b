"""Ids that are made in stock."""

from __future__ import annotations

import re
import uuid

from pytest_sessionplugin.gateway.ids import STOCK, new_id, new_uuid


def test_no_id_is_given_twice_though_they_are_made_in_stock() -> None:
    assert len({new_id() for _ in range(3 * STOCK)}) == len({new_uuid() for _ in range(3 * STOCK)}) == 3 * STOCK


def test_they_have_the_forms_of_api_gateway() -> None:
    assert re.fullmatch(r"[\w-]{15}=", new_id(), re.ASCII)
    made = new_uuid()
    assert str(uuid.UUID(made)) == made
    assert uuid.UUID(made).version == 4
