"""A test's HTTP client: builds requests for a transport, and wraps the answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import json as json_module
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pytest_sessionplugin.gateway.client.transport import Transport
from pytest_sessionplugin.gateway.core.compression import read
from pytest_sessionplugin.gateway.core.integration import is_sendable
from pytest_sessionplugin.gateway.redaction import masked, masked_header, masked_headers
from pytest_sessionplugin.gateway.values import Claims, Headers, Reply, header

# pytest would print tokens, which are arguments of most functions here; the test's own line says more
__tracebackhide__ = True

USER_AGENT = "pytest-sessionplugin"

Params = Mapping[str, str | int | Sequence[str | int]]

Vouch = Callable[[str, str, Claims], tuple[str, str]]
"""Makes the header that lets a request with this method and target pass with claims. Raises ValueError."""


class HttpClient:
    """A client with headers of its own; `token` is sent as `Authorization: Bearer`. Safe in several threads.

    `claims` replace the authorizer's answer, and reach the function in the form that API Gateway gives them.
    """

    def __init__(
        self,
        transport: Transport,
        vouch: Vouch,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        claims: Claims | None = None,
    ) -> None:
        self._transport, self._vouch = transport, vouch
        self._token = token
        self._claims = claims
        self._headers = dict(headers or {})

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: str | bytes | None = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        """Waits for the answer, whatever its status.

        `path` begins with "/" and may have the stage in front.

        `json` is sent as a JSON body, `content` as it is; only one of them can be given. Raises ValueError for
        `claims` that the route's authorizer cannot give, and if it has none.
        """
        if json is not None and content is not None:
            raise TypeError("request() takes json or content, not both")
        body = content.encode() if isinstance(content, str) else content or b""
        wanted = {**self._headers, **(headers or {})}
        if json is not None:
            body = json_module.dumps(json).encode()
            wanted = {"Content-Type": "application/json", **wanted}
        method, where = method.upper(), target(path, params)
        all_headers = with_defaults(wanted, token or self._token, {"Accept": "*/*"}, body)
        claims = self._claims if claims is None else claims
        if claims is not None:
            all_headers = (*all_headers, self._vouch(method, where, claims))
        reply = self._transport.request(method, where, all_headers, body)
        return Response.of(reply, f"{method} {where}")

    def get(self, path: str, **options: Any) -> Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Response:
        return self.request("DELETE", path, **options)

    def options(self, path: str, **options: Any) -> Response:
        return self.request("OPTIONS", path, **options)

    def head(self, path: str, **options: Any) -> Response:
        return self.request("HEAD", path, **options)


def target(path: str, params: Params | None) -> str:
    """Path and query as sent; percent-encoded parts stay."""
    if not path.startswith("/"):
        raise ValueError(f"a path begins with '/', {path!r} does not")
    wire = quote(path, safe="/?%:@!$&'()*+,;=~-._")
    if not params:
        return wire
    return f"{wire}{'&' if '?' in wire else '?'}{urlencode(params, doseq=True)}"


def with_defaults(
    headers: Mapping[str, str], token: str | None, defaults: Mapping[str, str], body: bytes = b""
) -> Headers:
    """The headers behind a client's defaults, without those that frame the body, which the client adds."""
    usual = {"User-Agent": USER_AGENT, **defaults}
    if token is not None:
        usual["Authorization"] = f"Bearer {token}"
    given = {name.lower() for name in headers}
    kept = [(name, value) for name, value in usual.items() if name.lower() not in given]
    checked = []
    for name, value in (*kept, *headers.items()):  # a comprehension would be a frame of its own
        if not _frames(name, value, body):
            checked.append((name, _checked(name, value)))
    return tuple(checked)


def _frames(name: str, value: str, body: bytes) -> bool:
    """Whether the client sends this header itself. Raises ValueError if its value contradicts the client's."""
    if name.lower() == "transfer-encoding":
        raise ValueError(
            f"header {name!r} cannot be sent: the client sends each body whole, with its length; leave it out"
        )
    if name.lower() != "content-length":
        return False
    if value.strip() != str(len(body)):
        raise ValueError(f"header {name!r} cannot be {value!r}: the body has {len(body)} bytes; leave the header out")
    return True


def _checked(name: str, value: str) -> str:
    """The value as it arrives. Raises ValueError if the header cannot be sent."""
    if not is_sendable(name, value) or not _is_latin_1(value):
        raise ValueError(f"header {name!r} cannot have the value {masked_header(name, value)!r}")
    return value.strip()


def _is_latin_1(value: str) -> bool:
    return all(character <= "\xff" for character in value)


class HeaderMap(Mapping[str, str]):
    """Header values by name, in any spelling; several values of one name are joined by ", "."""

    def __init__(self, pairs: Headers) -> None:
        self.pairs = pairs
        """All pairs in their original order and spelling."""
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
    content: bytes  # decompressed; the headers are as they came
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


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Headers,
    body: bytes,
) -> Reply:
    """Sends these headers, a length, and `Host` if it is not among them.

    Raises OSError or http.client.HTTPException.
    """
    connection.putrequest(method, target, skip_host=header(headers, "host") is not None, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body or method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(body)))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the server may have answered already
        connection.endheaders(body or None)
    with connection.getresponse() as response:
        return Reply(response.status, tuple(response.getheaders()), response.read())
