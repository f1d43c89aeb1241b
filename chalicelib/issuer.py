"""Downloads an issuer's key set: within a few seconds in all, and without a redirect to plain http."""

from __future__ import annotations

import http.client
import io
import json
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.error import HTTPError

PATIENCE: Final = 2.0  # seconds for one read
PATIENCE_IN_ALL: Final = 4.0
LARGEST: Final = 1_048_576  # bytes of a document


def downloaded(url: str, patience: float = PATIENCE_IN_ALL) -> Any:
    """The JSON document at `url`. Raises OSError or HTTPException without an answer, and anything a parser may raise
    for one that is not JSON."""
    deadline = time.monotonic() + patience
    opener = urllib.request.build_opener(_Http(deadline), _Https(deadline), _SafeRedirects)
    with opener.open(url, timeout=min(PATIENCE, patience)) as answer:
        text = answer.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError("the key set is too large")
        if answer.length:  # bytes that are missing
            raise http.client.IncompleteRead(text, answer.length)
    return json.loads(text)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connecting(http.client.HTTPConnection, self._deadline), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connecting(http.client.HTTPSConnection, self._deadline), req)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Follows a redirect to https alone: anyone on the path can change what plain http brings."""
        if not newurl.lower().startswith("https:"):
            raise HTTPError(req.full_url, code, "the key set is redirected to a URL that is not https", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _connecting(kind: Any, deadline: float) -> Callable[..., Any]:
    """Makes connections of this kind, whose answers are read until the deadline."""

    def connection(host: str, **options: Any) -> Any:
        made = kind(host, **options)
        made.response_class = partial(_Response, deadline)
        return made

    return connection


class _Response(http.client.HTTPResponse):
    def __init__(self, deadline: float, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock, deadline))


class _Reader(io.RawIOBase):
    """Reads a socket until a deadline: a peer that sends a byte now and then would pass each single timeout."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open as long as the answer
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the key set did not arrive in time")
        self._sock.settimeout(min(PATIENCE, left))
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()
