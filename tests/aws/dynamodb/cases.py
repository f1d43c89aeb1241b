"""Tables of cases whose names are claims, and the sentences that refuse expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.values import Refusal


def claims(names: str | tuple[str, ...], cases: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Parametrizes a test with one case for each claim."""
    return pytest.mark.parametrize(names, list(cases.values()), ids=list(cases))


def refusal(call: Callable[[], object]) -> str | None:
    """The message that refuses the call, with its code if that is not the usual one; None if it is accepted."""
    try:
        call()
    except Refusal as refused:
        return refused.message if refused.code == "ValidationException" else f"{refused.code}: {refused.message}"
    return None
