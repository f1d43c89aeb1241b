"""One HTTP request and its answer, on a connection of http.client that is kept alive. Keeps no connection itself."""

from __future__ import annotations

import contextlib
import http.client

from .shapes import header
from .values import Headers, Reply


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Headers,
    body: bytes,
) -> Reply:
    """Sends no header but these and those it needs, `Host` if it is not among them.

    Raises OSError or http.client.HTTPException.
    """
    connection.putrequest(method, target, skip_host=header(headers, "host") is not None, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body or method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(body)))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered already
        connection.endheaders(body or None)
    with connection.getresponse() as response:
        return Reply(response.status, tuple(response.getheaders()), response.read())
