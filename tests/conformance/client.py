"""The client of one deployed app: HTTP, WebSocket, @connections and clock, through public interfaces alone."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import ssl
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.conformance.adapters import Deployed
from tests.conformance.answer import Answer
from tests.conformance.websocket import Socket
from tests.conformance.wire import Wire

if TYPE_CHECKING:
    from types_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

GONE = ("WebsocketDisconnectedError", "410")
"""How the app reports a 410. SDKs recognize it by its name: E9."""

_names = itertools.count(1)


def new_name(word: str) -> str:
    """A name unlike those of other tests and of earlier runs on the same stage."""
    return f"{word}-{next(_names)}-{uuid.uuid4().hex[:8]}"


class Client:
    """One app. Every call has a timeout; everything it opened is closed with it."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    # --- HTTP

    def http(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | str | None = None
    ) -> Answer:
        """`path` is raw, without the stage, and may have a query."""
        return self.http_at(self.deployed.http, method, path, headers, body)

    def http_at(
        self,
        base: str,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
    ) -> Answer:
        address = urlsplit(base)
        with contextlib.closing(_connection(address.scheme, address.netloc, self.deployed.seconds)) as connection:
            raw = body.encode() if isinstance(body, str) else body
            names = {name.lower() for name in headers or {}}
            target = f"{address.path}{path}"
            connection.putrequest(method, target, skip_host="host" in names, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if raw is not None and not names & {"content-length", "transfer-encoding"}:
                connection.putheader("Content-Length", str(len(raw)))
            connection.endheaders(raw)
            response = connection.getresponse()
            return Answer(response.status, tuple(response.getheaders()), response.read())

    def do(self, *steps: Any) -> Answer:
        """Has a view run these steps."""
        return self.http("POST", "/do", {"Content-Type": "application/json"}, json.dumps(steps))

    def outcomes(self, *steps: Any) -> Any:
        """Outcomes of steps that return nothing."""
        answer = self.do(*steps)
        assert answer.status == 200, answer
        return answer.json()["outcomes"]

    def go(self, name: str) -> None:
        """Releases the handlers that hold for this name."""
        assert self.http("PUT", f"/go/{name}").status == 200

    @contextlib.contextmanager
    def holding(self, word: str) -> Iterator[str]:
        """A name for handlers to hold for; they are released at the end of the block, also after an error."""
        name = new_name(word)
        try:
            yield name
        finally:
            self.go(name)

    # --- WebSocket

    def handshake(
        self, *steps: Any, query: str = "", headers: tuple[str, ...] = (), path: str = "", host: str | None = None
    ) -> Socket:
        """Sends an upgrade request without waiting for the answer.

        `steps` are for $connect; `headers` are whole lines. `host` is the Host header; None: the server's own.
        """
        asked = [query] if query else []
        if steps:
            asked.append(urlencode({"do": json.dumps(steps)}))
        address = urlsplit(self.deployed.websocket)
        target = f"{address.path}{path}" + (f"?{'&'.join(asked)}" if asked else "")
        socket = Socket(self._wire(self.deployed.websocket), self.deployed.seconds)
        self._open.callback(socket.wire.socket.close)
        socket.wire.ask_to_upgrade(target, *headers, host=host or address.netloc)
        return socket

    def connect(
        self, *steps: Any, query: str = "", headers: tuple[str, ...] = (), path: str = "", host: str | None = None
    ) -> Socket:
        """An open socket."""
        socket = self.handshake(*steps, query=query, headers=headers, path=path, host=host)
        assert socket.status == 101, (socket.status, socket.answer)
        return socket

    def witness(self) -> Socket:
        """A socket that knows its own id, which other connections can use."""
        socket = self.connect()
        socket.say()
        socket.id = socket.report("message")["event"]["requestContext"]["connectionId"]
        return socket

    def watched(self, *steps: Any, query: str = "", headers: tuple[str, ...] = ()) -> tuple[Socket, Socket]:
        """An open socket with known id, and its witness, which has read the report of its $connect."""
        witness = self.witness()
        watched = f"witness={witness.quoted_id}"
        socket = self.connect(*steps, query=f"{watched}&{query}" if query else watched, headers=headers)
        socket.connect_event = witness.report("connect")["event"]
        socket.id = socket.connect_event["requestContext"]["connectionId"]
        return socket, witness

    def _wire(self, url: str) -> Wire:
        wire = Wire(url)
        wire.socket.settimeout(self.deployed.seconds)
        if urlsplit(url).scheme == "wss":
            context = ssl.create_default_context()
            wire.socket = context.wrap_socket(wire.socket, server_hostname=urlsplit(url).hostname)
        return wire

    # --- @connections

    def connections(self, endpoint: str | None = None, **config: Any) -> ApiGatewayManagementApiClient:
        """boto3's client, with accepted credentials and without retries."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=endpoint or self.deployed.connections,
            region_name=self.deployed.region,
            aws_access_key_id=self.deployed.access_key,
            aws_secret_access_key=self.deployed.secret_key,
            aws_session_token=self.deployed.session_token,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=self.deployed.seconds, **config),
        )

    def signed(self, method: str, url: str, body: bytes = b"", host: str | None = None) -> Answer:
        """A request to any URL, signed as boto3 does; `host` is the Host header."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        deployed = self.deployed
        request = AWSRequest(method, url, data=body, headers={"Host": host} if host else {})
        credentials = Credentials(deployed.access_key, deployed.secret_key, deployed.session_token)
        SigV4Auth(credentials, "execute-api", deployed.region).add_auth(request)
        address = urlsplit(url)
        target = address.path + (f"?{address.query}" if address.query else "")
        headers = dict(request.headers.items())
        return self.http_at(f"{address.scheme}://{address.netloc}", method, target, headers, body or None)

    # --- the clock and faults, where there are any

    def advance(self, seconds: float, *, grace: float = 1.0) -> None:
        """Advances the implementation's clock; everything due has happened on return.

        Running handlers get `grace` real seconds to finish: 0 for one that holds.
        """
        self._control("POST", "/clock", {"advance": seconds, "grace": grace})

    def settle(self) -> None:
        """Waits until no handler runs, so that the clock does not move under one."""
        self._control("POST", "/settle", {})

    @contextlib.contextmanager
    def fault(self, name: str, *arguments: Any, **more: Any) -> Iterator[None]:
        self._control("POST", "/faults", {"fault": name, "arguments": list(arguments), **more})
        try:
            yield
        finally:
            self._control("DELETE", "/faults", None)

    def _control(self, method: str, path: str, body: Any) -> Any:
        if self.deployed.control is None:
            pytest.skip("not observable there: no clock and no faults")
        raw = None if body is None else json.dumps(body)
        answer = self.http_at(self.deployed.control, method, path, {"Content-Type": "application/json"}, raw)
        assert answer.status < 300, answer
        return answer.json() if answer.body else None


def _connection(scheme: str, netloc: str, seconds: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(netloc, timeout=seconds)
