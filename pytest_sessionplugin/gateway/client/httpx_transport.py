"""The gateway as a transport of httpx, for its clients with and without asyncio.

httpx.Client(transport=HttpxTransport(transport), base_url=transport.base_urls.http)
"""

from __future__ import annotations

import anyio.to_thread  # which httpx itself depends on
import httpx

from pytest_sessionplugin.gateway.client.transport import OF_CONNECTIONS, Transport, not_this_app, target_of
from pytest_sessionplugin.gateway.values import Headers

# pytest would print requests with their headers
__tracebackhide__ = True


class HttpxTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers requests to the URLs of one app, and refuses any other. Closing it does nothing."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ConnectError."""
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Waits in another thread: other tasks go on, and their requests are answered at the same time.

        Raises httpx.ConnectError.
        """
        content = await request.aread()
        return await anyio.to_thread.run_sync(self._answer, request, content)

    def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        base = self._transport.base_urls.http
        target = target_of(base, str(request.url))
        if not request.url.host:
            advice = "give the client base_url=chalice_gateway.base_url"
            raise httpx.UnsupportedProtocol(f"{request.url.path} is a path without a host: {advice}", request=request)
        if target is None:
            raise httpx.ConnectError(f"{request.url.host} {not_this_app(base)}", request=request)
        try:
            reply = self._transport.request(request.method, target, _headers(request), content)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from None  # its cause's frames show credentials
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body, request=request)


def _headers(request: httpx.Request) -> Headers:
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    return tuple((name, value) for name, value in sent if name.lower() not in OF_CONNECTIONS)
