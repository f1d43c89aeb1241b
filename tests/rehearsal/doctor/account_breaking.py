"""Registers breakages of an account under the check that must notice them. Each breakage is undone by its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from deployment.doctor.check import Outcome
from tests.rehearsal.doctor.standing_stage import Place

SPOILT: list[Any] = []
"""Parameters of a test: check, outcome, break, expected text."""

Break = Callable[[Place], AbstractContextManager[None]]


def spoils(
    check: str, said: str, outcome: Outcome = Outcome.FAILED
) -> Callable[[Callable[[Place], Iterator[None]]], Break]:
    def entered(how: Callable[[Place], Iterator[None]]) -> Break:
        managed = contextmanager(how)
        SPOILT.append(pytest.param(check, outcome, managed, said, id=f"{check}: {how.__name__}"))
        return managed

    return entered


def rest(place: Place) -> str:
    [api] = place.client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


def websocket(place: Place) -> str:
    [api] = place.client("apigatewayv2").get_apis()["Items"]
    return str(api["ApiId"])
