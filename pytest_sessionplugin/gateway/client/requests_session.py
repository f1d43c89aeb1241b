"""The gateway as a session of requests.

GatewaySession(transport).get("/rooms")  # or a whole URL below transport.base_urls.http
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from http.client import HTTPMessage, responses
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from pytest_sessionplugin.gateway.client.transport import OF_CONNECTIONS, Transport, not_this_app, target_of
from pytest_sessionplugin.gateway.values import Headers, Reply

# pytest would print requests with their headers
__tracebackhide__ = True


class GatewaySession(requests.Session):
    """Sends requests to one app, and refuses the URLs of any other. It takes no proxy or password of the machine."""

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self.trust_env = False
        self._base = transport.base_urls.http
        for scheme in ("http://", "https://"):
            self.mount(scheme, GatewayAdapter(transport))

    def request(self, method: str, url: Any, *args: Any, **options: Any) -> requests.Response:
        """Like that of requests. A path is one of the app."""
        text = url.decode() if isinstance(url, bytes) else url
        if "://" not in text and not text.startswith("/"):
            raise requests.exceptions.MissingSchema(f"a path begins with '/', {text!r} does not")
        return super().request(method, self._base + text if text.startswith("/") else text, *args, **options)


class GatewayAdapter(HTTPAdapter):
    """Sends requests through a transport. It needs neither certificates nor proxies."""

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """Raises requests.ConnectionError."""
        base, url, method = self._transport.base_urls.http, request.url or "", request.method or "GET"
        target = target_of(base, url)
        if target is None:
            raise requests.ConnectionError(f"{urlsplit(url).hostname} {not_this_app(base)}", request=request)
        try:
            reply = self._transport.request(method, target, _headers(request.headers), _content(request.body))
        except OSError as error:
            raise requests.ConnectionError(str(error), request=request) from None  # its frames show credentials
        return self.build_response(request, _raw(method, reply))


def _headers(headers: Mapping[str, str | bytes]) -> Headers:
    texts = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers.items()}
    return tuple((name, value) for name, value in texts.items() if name.lower() not in OF_CONNECTIONS)


def _content(body: Any) -> bytes:
    """A body of requests: text, bytes, a file or an iterable of bytes."""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)) or not isinstance(body, Iterable):
        return bytes(body or b"")
    return b"".join(body)


class _Original:
    """A response of http.client, as far as requests looks for cookies in it."""

    def __init__(self, headers: Headers) -> None:
        self.msg = HTTPMessage()
        for name, value in headers:
            self.msg[name] = value

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        """Does nothing: no connection is held."""


def _raw(method: str, reply: Reply) -> HTTPResponse:
    headers: Any = reply.headers  # pairs, which its annotation leaves out
    original: Any = _Original(reply.headers)
    return HTTPResponse(
        body=io.BytesIO(reply.body),
        headers=headers,
        status=reply.status,
        reason=responses.get(reply.status),
        preload_content=False,
        original_response=original,
        request_method=method,
    )
