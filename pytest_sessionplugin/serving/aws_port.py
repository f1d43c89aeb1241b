"""The AWS port of `serve`: the emulated account of the app over HTTP, for the AWS CLI and other processes.

Signatures are read and not verified, so only this machine may reach the port (loopback.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_sessionplugin.aws import wire
from pytest_sessionplugin.aws.http_requests import (
    MAX_BODY,
    BadRequest,
    HttpRequest,
    decoded,
    incomplete,
    read_chunks,
    too_large,
)
from pytest_sessionplugin.aws.service_requests import ServiceRequest, read
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.serving.loopback import LoopbackHandler, LoopbackServer

DIGITS = 9  # of a Content-Length; a longer one is too large, and Python refuses to parse thousands of digits
_OURS = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})
"""Headers of an answer that belong to the connection."""


class AwsPort(LoopbackServer):
    """Listens within its block."""

    def __init__(self, account: AwsAccount, host: str, port: int) -> None:
        """Raises PortInUse, or OSError."""
        super().__init__(host, port, lambda *arguments: _AwsHandler(account, *arguments), "the AWS port")


class AwsAccount:
    """An account as clients over HTTP see it.

    `answer` gives None if a fault cuts the connection. `failed` gets the call and the exception of an emulator.
    `connections_host` is the host name of the app's WebSocket API. If the tables are at `dynamodb`, a URL, no call
    about tables is answered here.
    """

    def __init__(
        self,
        answer: Callable[[ServiceRequest], Answer | None],
        failed: Callable[[str, Exception], None],
        *,
        connections_host: str,
        dynamodb: str | None = None,
    ) -> None:
        self._answer, self._failed = answer, failed
        self._connections_host, self._dynamodb = connections_host, dynamodb

    def answer(self, request: HttpRequest) -> Answer | None:
        """The answer; None to close the connection without one."""
        asked = read(request, self._connections_host)
        if isinstance(asked, Answer):
            return asked
        if self._dynamodb and asked.call.service in ("dynamodb", "dynamodbstreams"):
            return wire.refusal(
                asked.protocol, "NotImplemented", 501, f"the tables are at {self._dynamodb}: ask there."
            )
        try:
            return self._answer(asked)
        except Exception as error:  # noqa: BLE001 - it is the client's answer, and told here
            self._failed(f"{asked.call}", error)
            sentence = f"the emulator failed at {asked.call}: {type(error).__name__}: {error}"
            return wire.refusal(asked.protocol, "NotImplemented", 501, sentence)  # SDKs do not retry it


class _AwsHandler(LoopbackHandler):
    """One connection to the AWS port."""

    def __init__(self, account: AwsAccount, *arguments: Any) -> None:
        self._account = account
        super().__init__(*arguments)

    def do_GET(self) -> None:
        try:
            self._check()
            request = decoded(HttpRequest(self.command, self.path, self._headers(), self._body()))
        except BadRequest as bad:
            self.close_connection = True
            return self._send(wire.refusal("rest-json", bad.code, bad.status, str(bad)))
        answer = self._account.answer(request)
        if answer is None:
            self.close_connection = True
            return None
        return self._send(answer)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET

    def handle_expect_100(self) -> bool:
        """Says nothing yet: a body that is refused need not be sent."""
        return True

    def _check(self) -> None:
        """Raises BadRequest for a web page, and for a body whose end cannot be told or is too far away."""
        if why := self.why_refused("the AWS port"):
            raise BadRequest(403, "AccessDeniedException", why)
        if not self.path.startswith("/"):
            raise BadRequest(400, "BadRequest", "the target of a request must be a path.")
        coding, length = self.headers.get("Transfer-Encoding"), self.headers.get("Content-Length")
        if coding is not None and (coding.lower() != "chunked" or length is not None):
            raise BadRequest(400, "BadRequest", "a body has either a Content-Length or Transfer-Encoding: chunked.")
        if length is not None and not length.isdecimal():
            raise BadRequest(400, "BadRequest", "the Content-Length must be a number.")
        if length is not None and (len(length) > DIGITS or int(length) > MAX_BODY):
            raise too_large()

    def _headers(self) -> dict[str, str]:
        return {name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers}

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        if "Transfer-Encoding" in self.headers:
            return read_chunks(self.rfile)[0]
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise incomplete()
        return body

    def _send(self, answer: Answer) -> None:
        has_body = answer.status >= 200 and answer.status not in (204, 304)
        is_head = self.command == "HEAD"
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _OURS or (is_head and name.lower() == "content-length"):
                self.send_header(name, " ".join(str(value).splitlines()))
        if has_body and not is_head:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body and not is_head:
            self.wfile.write(answer.body)
