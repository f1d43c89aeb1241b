"""Calls of `lambda:Invoke` as data, and Lambda's answers to them.

Sources: "Invoke" in the Lambda API reference, "Lambda quotas", "Lambda function errors" in the developer guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from pytest_sessionplugin.aws.wire import Answer, refusal, sent
from pytest_sessionplugin.errors import LambdaFault
from pytest_sessionplugin.gateway.values import EVENT_TOO_LARGE, MAX_EVENT

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest


SYNCHRONOUS = "RequestResponse"
ASYNCHRONOUS = "Event"
DRY_RUN = "DryRun"

LATEST = "$LATEST"

EVENT_BYTES = 1_048_576
"""1 MB: the limit of an asynchronous event; 256 KB until October 2025."""

_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_HOST = re.compile(r"lambda(?:-fips)?\.([a-z0-9-]+)\.")
_NAME = re.compile(
    r"(?:arn:[a-z-]+:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[A-Za-z0-9_.-]+)(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]+))?"
)
"""A name, an ARN or a part of one, each with or without a version or an alias at its end."""


@dataclass(frozen=True)
class InvokeCall:
    """The function to run, its event, and whether the caller waits. None: the call did not say."""

    name: str
    region: str | None
    account: str | None
    qualifier: str | None
    kind: str
    payload: bytes

    def arn(self, region: str, account: str) -> str:
        """The ARN with which Lambda names a function that it does not find."""
        version = f":{self.qualifier}" if self.qualifier else ""
        return f"arn:aws:lambda:{self.region or region}:{self.account or account}:function:{self.name}{version}"


def read(url: str, headers: Mapping[str, Any], payload: bytes) -> InvokeCall | None:
    """A request that botocore is about to send; None if it is not an Invoke."""
    parts = urlsplit(url)
    if (path := _PATH.fullmatch(parts.path)) is None or (named := _NAME.fullmatch(unquote(path[1]))) is None:
        return None
    host = _HOST.match(parts.netloc)
    (kind,) = [_text(value) for name, value in headers.items() if name.lower() == "x-amz-invocation-type"] or [
        SYNCHRONOUS
    ]
    return InvokeCall(
        named["name"],
        named["region"] or (host[1] if host else None),
        named["account"],
        named["qualifier"] or parse_qs(parts.query).get("Qualifier", [None])[0],
        kind,
        payload,
    )


def invocation(request: AWSPreparedRequest) -> InvokeCall | None:
    """A prepared request of Lambda; None if it is not an Invoke."""
    return read(request.url, dict(request.headers.items()), sent(request.body))


def event_of(call: InvokeCall) -> Any:
    """The event of the function; an empty payload is an empty object. Raises ValueError with Lambda's sentence."""
    if not call.payload:
        return {}
    try:
        return json.loads(call.payload, parse_constant=_reject)
    except ValueError as error:
        raise ValueError(
            f"Could not parse request body into json: Could not parse payload into json: {error}"
        ) from None


def too_large(call: InvokeCall) -> str | None:
    """Lambda's sentence about a payload above the limit."""
    size = len(call.payload)
    if size > MAX_EVENT:
        return EVENT_TOO_LARGE
    if call.kind == ASYNCHRONOUS and size > EVENT_BYTES:
        return f"{size} byte payload is too large for the Event invocation type (limit {EVENT_BYTES} bytes)"
    return None


def refused(code: str, status: int, message: str) -> Answer:
    return refusal("rest-json", code, status, message)


def accepted(status: int, request_id: str) -> Answer:
    """202 for an event that is queued, 204 for a dry run."""
    return Answer(status, {"x-amzn-RequestId": request_id}, b"")


def returned(result: Any, request_id: str) -> Answer:
    """The result of a function."""
    return Answer(200, _executed(request_id), json.dumps(result, ensure_ascii=False).encode())


def raised(error: BaseException, frames: Sequence[str], request_id: str) -> Answer:
    """The report of Python's runtime about an exception of a handler."""
    if isinstance(error, LambdaFault):
        return _failed({"errorMessage": error.sentence, "errorType": error.type, "requestId": request_id}, request_id)
    report = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": list(frames),
    }
    return _failed(report, request_id)


def timed_out(seconds: float, request_id: str) -> Answer:
    message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    return _failed({"errorType": "Sandbox.Timedout", "errorMessage": message}, request_id)


def _failed(report: Mapping[str, Any], request_id: str) -> Answer:
    headers = {**_executed(request_id), "X-Amz-Function-Error": "Unhandled"}
    return Answer(200, headers, json.dumps(report, ensure_ascii=False).encode())


def _executed(request_id: str) -> dict[str, str]:
    return {"content-type": "application/json", "X-Amz-Executed-Version": LATEST, "x-amzn-RequestId": request_id}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
