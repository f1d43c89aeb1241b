"""A test's HTTP client: one method for each verb, with the arguments of httpx, and `token` and `claims`."""

from __future__ import annotations

import contextlib
import http.client
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from pytest_sessionplugin.gateway.client.request import (
    Fields,
    Files,
    HeaderFields,
    HeaderMap,
    SentRequest,
    bearer,
    body,
    cookie,
    override,
    pairs,
    refuse_second,
    target,
    with_defaults,
)
from pytest_sessionplugin.gateway.client.response import Response
from pytest_sessionplugin.gateway.client.transport import Transport, url_of
from pytest_sessionplugin.gateway.values import Claims, Headers, Reply, TimeSource, header

# pytest would print tokens, which are arguments of most functions here; the test's own line says more
__tracebackhide__ = True

Vouch = Callable[[str, str, Claims], tuple[str, str]]
"""Makes the header that lets a request with this method and target pass with claims. Raises ValueError."""


class Verbs(ABC):
    """A method for each verb of HTTP. Their arguments are those of `request`."""

    @abstractmethod
    def request(
        self,
        method: str,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        content: str | bytes | None = None,
        data: Fields | None = None,
        files: Files | None = None,
        json: Any = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        """Waits for the response, whatever its status.

        `path` begins with "/" and may have the stage in front. `token` is sent as `Authorization: Bearer`; `claims`
        replace the authorizer's answer, and reach the function in the form that API Gateway gives them.

        The body is `json`, or `content` as it is, or a form of `data`, or multipart with `files` and the fields of
        `data`. Raises TypeError for two bodies, and ValueError for what cannot be sent, such as a token that begins
        with "Bearer ", and for `claims` that the route's authorizer cannot give, or if it has none.
        """

    def get(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.request("GET", path, params=params, headers=headers, cookies=cookies, token=token, claims=claims)

    def options(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.request(
            "OPTIONS", path, params=params, headers=headers, cookies=cookies, token=token, claims=claims
        )

    def head(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.request("HEAD", path, params=params, headers=headers, cookies=cookies, token=token, claims=claims)

    def post(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        content: str | bytes | None = None,
        data: Fields | None = None,
        files: Files | None = None,
        json: Any = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.request(
            "POST",
            path,
            params=params,
            headers=headers,
            cookies=cookies,
            content=content,
            data=data,
            files=files,
            json=json,
            token=token,
            claims=claims,
        )

    def put(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        content: str | bytes | None = None,
        data: Fields | None = None,
        files: Files | None = None,
        json: Any = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.request(
            "PUT",
            path,
            params=params,
            headers=headers,
            cookies=cookies,
            content=content,
            data=data,
            files=files,
            json=json,
            token=token,
            claims=claims,
        )

    def patch(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        content: str | bytes | None = None,
        data: Fields | None = None,
        files: Files | None = None,
        json: Any = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.request(
            "PATCH",
            path,
            params=params,
            headers=headers,
            cookies=cookies,
            content=content,
            data=data,
            files=files,
            json=json,
            token=token,
            claims=claims,
        )

    def delete(
        self,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        content: str | bytes | None = None,
        data: Fields | None = None,
        files: Files | None = None,
        json: Any = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.request(
            "DELETE",
            path,
            params=params,
            headers=headers,
            cookies=cookies,
            content=content,
            data=data,
            files=files,
            json=json,
            token=token,
            claims=claims,
        )


class HttpClient(Verbs):
    """A client with headers, cookies, a token and claims of its own. Safe in several threads.

    It keeps no cookies of responses, and follows no redirects.
    """

    def __init__(
        self,
        transport: Transport,
        vouch: Vouch,
        *,
        token: str | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        claims: Claims | None = None,
        clock: TimeSource = time.time,
    ) -> None:
        """Raises TypeError or ValueError for a token that cannot be sent."""
        if token is not None:
            bearer(token)
        self._transport, self._vouch, self._clock = transport, vouch, clock
        self._token, self._claims = token, claims
        self._headers, self._cookies = pairs(headers), dict(cookies or {})

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        content: str | bytes | None = None,
        data: Fields | None = None,
        files: Files | None = None,
        json: Any = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        method, where = method.upper(), target(path, params)
        sent = body(content, data, files, json)
        defaults = {"Accept": "*/*"}
        if sent.media_type is not None:
            defaults["Content-Type"] = sent.media_type
        if all_cookies := {**self._cookies, **(cookies or {})}:
            defaults["Cookie"] = cookie(all_cookies)
        wanted = override(self._headers, pairs(headers))
        refuse_second(wanted, {"Cookie": "cookies" if all_cookies else "", "Content-Type": "files" if files else ""})
        all_headers = with_defaults(wanted, self._token if token is None else token, defaults, sent.content)
        claims = self._claims if claims is None else claims
        if claims is not None:
            all_headers = (*all_headers, self._vouch(method, where, claims))
        url = url_of(self._transport.base_urls.http, where)
        began = self._clock()
        reply = self._transport.request(method, where, all_headers, sent.content)
        elapsed = timedelta(seconds=max(self._clock() - began, 0.0))
        return Response(reply, SentRequest(method, url, where, HeaderMap(all_headers), sent.content), elapsed)


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
