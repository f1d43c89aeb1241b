"""An HTTP answer as a test sees it. It knows nothing of how it came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .codings import read
from .masks import masked, masked_headers
from .values import Headers, Reply


class HeaderMap(Mapping[str, str]):
    """Header values by name, whatever its spelling; several values of one name are joined by ", "."""

    def __init__(self, pairs: Headers) -> None:
        self.pairs = pairs
        """All pairs, in the order and the spelling in which they came."""
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"HeaderMap({masked_headers(self.pairs)!r})"


@dataclass(frozen=True)
class Response:
    status_code: int
    headers: HeaderMap
    content: bytes  # decompressed, as every client does it; the headers are as they came
    request: str = ""  # "GET /sessions", for messages

    @classmethod
    def of(cls, reply: Reply, request: str = "") -> Response:
        return cls(reply.status, HeaderMap(reply.headers), read(reply.headers, reply.body), request)

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.content)

    def __repr__(self) -> str:
        return f"<Response {self.status_code} of {masked(self.request)}: {masked(self.text)[:500]}>"
