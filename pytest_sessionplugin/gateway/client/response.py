"""The answer to a test's request, with the names of httpx: an HTTP response, or the refusal of a handshake."""

from __future__ import annotations

import json
from datetime import timedelta
from http.client import responses
from typing import Any, Self

from pytest_sessionplugin.gateway.client.request import HeaderMap, SentRequest
from pytest_sessionplugin.gateway.core.compression import read
from pytest_sessionplugin.gateway.redaction import redacted
from pytest_sessionplugin.gateway.values import Reply

# pytest would print bodies as they came; errors have them without credentials
__tracebackhide__ = True

LONGEST = 500  # characters of a body in a message


class Response:
    """An HTTP response. It is complete, and nothing is raised for its status."""

    def __init__(self, reply: Reply, request: SentRequest, elapsed: timedelta = timedelta()) -> None:
        self.status_code = reply.status
        self.headers = HeaderMap(reply.headers)
        """As they came, those of a compressed body included."""
        self.content = read(reply.headers, reply.body)
        """The body, decompressed."""
        self.request = request
        self.elapsed = elapsed
        """Until the response was here, by the time of day; with `chalice_clock`, the time that was moved meanwhile."""

    @property
    def url(self) -> str:
        return self.request.url

    @property
    def reason_phrase(self) -> str:
        """The usual one of the status; empty for an unknown status."""
        return responses.get(self.status_code, "")

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """Raises ValueError if the body is not JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            raise ValueError(f"not JSON: {_described(self)}") from None

    @property
    def cookies(self) -> dict[str, str]:
        """Values of the cookies that the response sets; their attributes are in `headers.get_list("set-cookie")`."""
        found = {}
        for header in self.headers.get_list("set-cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            found[name.strip()] = value.strip().strip('"')
        return found

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status_code <= 299

    @property
    def is_error(self) -> bool:
        """4xx or 5xx."""
        return 400 <= self.status_code <= 599

    def raise_for_status(self) -> Self:
        """The response itself. Raises HTTPStatusError for any status but 2xx."""
        if not self.is_success:
            raise HTTPStatusError(self)
        return self

    def __repr__(self) -> str:
        return f"<Response {_described(self)}>"


class HTTPStatusError(Exception):
    """A response that raise_for_status() refused, as `response`."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, response: Response) -> None:
        super().__init__(_described(response))
        self.response = response
        self.request = response.request


class HandshakeRefused(Response, Exception):
    """The gateway's response to a handshake, with a status other than 101."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, reply: Reply, request: SentRequest, elapsed: timedelta = timedelta()) -> None:
        Response.__init__(self, reply, request, elapsed)
        Exception.__init__(self, f"the handshake was refused: {_described(self)}")

    def __repr__(self) -> str:
        return f"<HandshakeRefused {_described(self)}>"


def _described(response: Response) -> str:
    """As `404 Not Found of GET /rooms/a: {"code": …}`, without credentials."""
    text = redacted(response.text)
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
    return f"{response.status_code} {response.reason_phrase}".rstrip() + f" of {response.request}: {shown or 'no body'}"
