"""What a test holds: HTTP, WebSocket, @connections and the clock of one deployed app, and nothing of what is behind."""

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
"""What an app is told of a 410: that SDKs can tell it by its name is E9."""

_names = itertools.count(1)


def new_name(word: str) -> str:
    """One that no other test has, on a stage that may have seen earlier runs."""
    return f"{word}-{next(_names)}-{uuid.uuid4().hex[:8]}"


class Client:
    """One app. Every call has its bound, and what it opened is closed with it."""

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
        """`path` is raw, behind the stage; its query too."""
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
        """Has a view follow these steps."""
        return self.http("POST", "/do", {"Content-Type": "application/json"}, json.dumps(steps))

    def outcomes(self, *steps: Any) -> Any:
        """What came of steps that return nothing."""
        answer = self.do(*steps)
        assert answer.status == 200, answer
        return answer.json()["outcomes"]

    def go(self, name: str) -> None:
        """Lets handlers go on that hold for this name."""
        assert self.http("PUT", f"/go/{name}").status == 200

    @contextlib.contextmanager
    def holding(self, word: str) -> Iterator[str]:
        """A name for handlers to hold for: they go on when the block ends, whatever ends it."""
        name = new_name(word)
        try:
            yield name
        finally:
            self.go(name)

    # --- WebSocket

    def handshake(
        self, *steps: Any, query: str = "", headers: tuple[str, ...] = (), path: str = "", host: str | None = None
    ) -> Socket:
        """Asks to upgrade, and does not wait for the answer. `steps` are for $connect; `headers` are whole lines.

        `host` is whom it asks for; None: the one that it is connected to.
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
        """A socket that knows its own id, for others to tell."""
        socket = self.connect()
        socket.say()
        socket.id = socket.report("message")["event"]["requestContext"]["connectionId"]
        return socket

    def watched(self, *steps: Any, query: str = "", headers: tuple[str, ...] = ()) -> tuple[Socket, Socket]:
        """An open socket whose id is known, and its witness, who has taken the report of its $connect."""
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
        """boto3's client, with credentials that the implementation accepts, and no retries."""
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
        """A request to any URL, signed as boto3 signs; `host` is what it says that it is for."""
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
        """Moves the implementation's time; what falls due has happened when this returns.

        Handlers that run already have `grace` real seconds to end: 0 for one that is held.
        """
        self._control("POST", "/clock", {"advance": seconds, "grace": grace})

    def settle(self) -> None:
        """Waits until no handler runs, so that none is found late when time moves."""
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
