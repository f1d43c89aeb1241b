"""Carries calls of AWS from a child process to the account of the process that started it: both ends.

A message is a line of JSON and the bytes of a body, in an HTTP request to loopback.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextvars import ContextVar
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from pytest_sessionplugin.aws import endpoints, wire
from pytest_sessionplugin.aws.endpoints import TABLES, Destinations
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.aws.http_requests import HttpRequest
from pytest_sessionplugin.aws.sleeps import Sleeps
from pytest_sessionplugin.errors import BlockedCall, BlockedConnection, SessionPluginError

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.calls import Call

SLEEP = ("botocore", "sleep")
"""In place of service and operation."""

ASKS_FOR_ALL = "all-hosts"
"""Query of an address: a child asks before it connects to any host but this machine, not only to one of AWS."""


class AnswersCalls(Sleeps, Protocol):
    """The account, at the end of the process that has it."""

    def begin(self, call: Call, url: str) -> None:
        """Once a call."""

    def attempt(self, call: Call, protocol: str, request: Any) -> wire.Answer | None:
        """Once an attempt; None if the child is to send it for real."""

    def admit(self, host: str) -> None:
        """Raises BlockedConnection."""

    def answer(self, host: str, request: HttpRequest) -> wire.Answer | None:
        """Answers an HTTP client of the child."""


def follow(address: str | None) -> None:
    """Sends the calls of this process to the account at the address, for good."""
    HOOK.follow(None if address is None else Relay(address))


# --- in the child


class Relay(Destinations):
    """The interceptor of a child process.

    `address` is a URL, with the name of the test as its fragment, or a sentence that says why there is no URL.
    """

    def __init__(self, address: str) -> None:
        super().__init__(_elsewhere)
        self._address = address
        self._other_hosts = urlsplit(address).query != ASKS_FOR_ALL

    def before_call(
        self, event_name: str, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> None:
        service = model.service_model
        asked = {
            "service": service.signing_name,
            "region": context["client_region"],
            "parameters": dict(self.parameters(context)),
        }
        call = (service.service_name, model.name)
        _begun.set((call, asked))
        self._ask("begin", call, {"url": params["url"], "asked": asked})

    def before_send(self, event_name: str, request: Any, **_: Any) -> Any:
        from pytest_sessionplugin.aws import responses

        if responses.is_streamed(request):
            return self._send_streamed(event_name, request)
        return self._send(event_name, request)

    async def _send_streamed(self, event_name: str, request: Any) -> Any:
        from pytest_sessionplugin.aws import responses

        return self._send(event_name, await responses.read(request))

    def _send(self, event_name: str, request: Any) -> Any:
        from pytest_sessionplugin.aws import responses

        service, operation = self.called(event_name)
        asked = {
            "protocol": wire.protocol(service),
            "method": request.method,
            "url": request.url,
            "headers": {key: _text(value) for key, value in request.headers.items()},
            "asked": _asked(service.service_name, operation),
        }
        # botocore rewinds a stream before it sends it again.
        body = request.body.read() if hasattr(request.body, "read") else wire.sent(request.body)
        said, body = self._ask("attempt", (service.service_name, operation), asked, body)
        if said.get("for real"):
            request.reset_stream()
            return None
        return responses.response(request.url, wire.Answer(said["status"], said["headers"], body))

    def takes(self, host: str) -> bool:
        if endpoints.is_aws(host):
            return True
        self.admit(host)
        return False

    def admit(self, host: str) -> None:
        endpoints.check_metadata(host)
        if endpoints.why_not(host, other_hosts=self._other_hosts) is not None:
            try:
                self._ask("admit", (host, "connect"), {"host": host})
            except BlockedCall as error:
                raise BlockedConnection(host, error.reason) from None

    def answer(self, host: str, request: HttpRequest) -> wire.Answer | None:
        """For HTTP clients: None for a connection that breaks."""
        asked = {"method": request.method, "target": request.target, "headers": dict(request.headers), "host": host}
        said, body = self._ask("answer", (host, request.method), asked, request.body)
        return wire.Answer(said["status"], said["headers"], body) if "status" in said else None

    def waited(self, seconds: float) -> None:
        self._ask("waited", SLEEP, {"seconds": seconds})

    def held_back(self, seconds: float) -> None:
        self._ask("held_back", SLEEP, {"seconds": seconds})

    def sleep(self, seconds: float) -> None:
        self._ask("sleep", SLEEP, {"seconds": seconds})

    def _ask(
        self, verb: str, call: tuple[str, str], asked: Mapping[str, Any], body: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Raises what the account raised."""
        from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

        said, body = _unpacked(self._post(call, _packed({"verb": verb, "call": call, **asked}, body)))
        if "unreachable" in said:
            raise EndpointConnectionError(endpoint_url=said["unreachable"])
        if "lost" in said:
            raise ReadTimeoutError(endpoint_url=said["lost"])
        if "blocked" in said:
            raise BlockedCall(*call, said["blocked"])
        if "failed" in said:
            raise SessionPluginError(said["failed"])
        return said, body

    def _post(self, call: tuple[str, str], message: bytes) -> bytes:
        url = urlsplit(self._address)
        if url.scheme != "http":
            raise BlockedCall(*call, self._address)
        connection = HTTPConnection(str(url.hostname), url.port)
        try:
            connection.request("POST", url.path, message)
            answer = connection.getresponse()
            if answer.status == 200:
                return answer.read()
        except (OSError, HTTPException):  # nobody listens there any more
            pass
        finally:
            connection.close()
        raise BlockedCall(
            *call, f"this process has outlived {unquote(url.fragment)}, which started it. Let it end there."
        )


_begun: ContextVar[tuple[tuple[str, str], Mapping[str, Any]] | None] = ContextVar("begun", default=None)
"""The call of which this thread or task makes its attempts, and its parameters."""


def _asked(service: str, operation: str) -> Mapping[str, Any] | None:
    begun = _begun.get()
    return begun[1] if begun is not None and begun[0] == (service, operation) else None


def _elsewhere() -> Mapping[str, str]:
    """The DynamoDB to which the process that started this one leads both."""
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == "true":
        return {}
    url = os.environ.get("AWS_ENDPOINT_URL_DYNAMODB", "")
    return dict.fromkeys(TABLES, url) if url else {}


# --- in the process that has the account


def answer(account: AnswersCalls, message: bytes) -> bytes:
    """Lets the account answer a message. Errors are an answer, too."""
    from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

    from pytest_sessionplugin.aws import caller
    from pytest_sessionplugin.aws.calls import Call
    from pytest_sessionplugin.aws.iam import Asked

    asked, body = _unpacked(message)
    service, operation = asked["call"]
    invocation, given = caller.current(), asked.get("asked")
    call = Call(
        service,
        operation,
        caller.function(),
        invocation.id if invocation is not None else None,
        Asked(operation=operation, url=asked["url"], **given) if given is not None else None,
    )
    try:
        return _answered(account, call, asked, body)
    except EndpointConnectionError:
        return _packed({"unreachable": asked["url"]})
    except ReadTimeoutError:
        return _packed({"lost": asked["url"]})
    except BlockedCall as error:
        return _packed({"blocked": error.reason})
    except caller.Killed:  # a function's time-out strikes; to its child, the connection breaks
        return _packed({})
    except Exception as error:  # noqa: BLE001 - the child is told
        return _packed(
            {"failed": f"{call} failed in the process that started this one: {type(error).__name__}: {error}"}
        )


def _answered(account: AnswersCalls, call: Call, asked: Mapping[str, Any], body: bytes) -> bytes:
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict

    sleeps = {"waited": account.waited, "held_back": account.held_back, "sleep": account.sleep}
    if (sleep := sleeps.get(asked["verb"])) is not None:
        sleep(asked["seconds"])
    elif asked["verb"] == "begin":
        account.begin(call, asked["url"])
    elif asked["verb"] == "admit":
        account.admit(asked["host"])
    elif asked["verb"] == "answer":
        heard = HttpRequest(asked["method"], asked["target"], asked["headers"], body)
        given = account.answer(asked["host"], heard)
        return _packed({}) if given is None else _packed(_said(given), given.body)
    else:
        headers: Any = HeadersDict(asked["headers"])
        request = AWSPreparedRequest(asked["method"], asked["url"], headers, body, False)
        given = account.attempt(call, asked["protocol"], request)
        if given is None:
            return _packed({"for real": True})
        return _packed(_said(given), given.body)
    return _packed({})


def _said(answer: wire.Answer) -> dict[str, Any]:
    return {"status": answer.status, "headers": dict(answer.headers)}


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _packed(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Bytes among the parameters of a call become text; they are for the trace."""
    return json.dumps(head, default=_text).encode() + b"\n" + body


def _unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, body = message.partition(b"\n")
    return json.loads(head), body
