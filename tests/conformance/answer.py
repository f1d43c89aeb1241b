"""An HTTP answer as a test of a fact reads it. It knows nothing of how it came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_type(self) -> str:
        """The error's name, as SDKs find it; "" if it has none."""
        return (self.header("x-amzn-ErrorType") or "").partition(":")[0]

    @property
    def said(self) -> str:
        """The gateway's message; its key may have a capital."""
        return str({key.lower(): value for key, value in self.json().items()}["message"])

    @property
    def event(self) -> dict[str, Any]:
        """What the view was given that answers with it."""
        assert self.status == 200, self
        event = self.json()["event"]
        assert isinstance(event, dict)
        return event
