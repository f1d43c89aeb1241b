"""A Chalice object to be given routes and handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chalice.app import Chalice


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Chalice:
    from chalice.app import Chalice

    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "")  # Chalice adds to it
    app = Chalice("chat", configure_logs=False)
    app.experimental_feature_flags.add("WEBSOCKETS")
    return app
