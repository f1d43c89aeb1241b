"""An HTTP answer, with the fields that the tests read."""

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
        """The error's name, as SDKs find it; "" without one."""
        return (self.header("x-amzn-ErrorType") or "").partition(":")[0]

    @property
    def said(self) -> str:
        """The gateway's message; the case of its key differs."""
        return str({key.lower(): value for key, value in self.json().items()}["message"])

    @property
    def event(self) -> dict[str, Any]:
        """The event of the view, if the view answers with it."""
        assert self.status == 200, self
        event = self.json()["event"]
        assert isinstance(event, dict)
        return event
