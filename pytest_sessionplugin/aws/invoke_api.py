"""A call of `lambda:Invoke` as data, and what Lambda answers. Runs nothing, and knows no botocore.

Sources: "Invoke" in the Lambda API reference, "Lambda quotas", "Lambda function errors" in the developer guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from pytest_sessionplugin.aws.wire import Answer, _bytes, refusal

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest


SYNCHRONOUS = "RequestResponse"
ASYNCHRONOUS = "Event"
DRY_RUN = "DryRun"

LATEST = "$LATEST"

REQUEST_BYTES = 6_291_456
"""6 MB, of the event of a caller that waits."""

RESPONSE_BYTES = 6_291_556
"""What a function may return to such a caller."""

EVENT_BYTES = 1_048_576
"""1 MB, of the event of a caller that does not wait; 256 KB until October 2025."""

_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_HOST = re.compile(r"lambda(?:-fips)?\.([a-z0-9-]+)\.")
_NAME = re.compile(
    r"(?:arn:[a-z-]+:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[A-Za-z0-9_.-]+)(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]+))?"
)
"""A name, an ARN or a part of one, each with a version or an alias at its end or without."""


@dataclass(frozen=True)
class InvokeCall:
    """Who is to be run, with what, and whether the caller waits. None stands for what was not said."""

    name: str
    region: str | None
    account: str | None
    qualifier: str | None
    kind: str
    payload: bytes

    def arn(self, region: str, account: str) -> str:
        """As Lambda names a function that it does not find."""
        version = f":{self.qualifier}" if self.qualifier else ""
        return f"arn:aws:lambda:{self.region or region}:{self.account or account}:function:{self.name}{version}"


def read(url: str, headers: Mapping[str, Any], payload: bytes) -> InvokeCall | None:
    """A request as botocore is about to send it; None if it is no Invoke."""
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


def event_of(call: InvokeCall) -> Any:
    """What the function gets; nothing at all is an empty object. Raises ValueError with Lambda's sentence."""
    if not call.payload:
        return {}
    try:
        return json.loads(call.payload, parse_constant=_no_json)
    except ValueError as error:
        raise ValueError(
            f"Could not parse request body into json: Could not parse payload into json: {error}"
        ) from None


def too_large(call: InvokeCall) -> str | None:
    """Lambda's sentence about a payload above the limit."""
    size = len(call.payload)
    if size > REQUEST_BYTES:
        return f"Request must be smaller than {REQUEST_BYTES} bytes for the InvokeFunction operation"
    if call.kind == ASYNCHRONOUS and size > EVENT_BYTES:
        return f"{size} byte payload is too large for the Event invocation type (limit {EVENT_BYTES} bytes)"
    return None


def refused(code: str, status: int, message: str) -> Answer:
    return refusal("rest-json", code, status, message)


def accepted(status: int, request_id: str) -> Answer:
    """202 for an event that is queued, 204 for a dry run."""
    return Answer(status, {"x-amzn-RequestId": request_id}, b"")


def returned(result: Any, request_id: str) -> Answer:
    """What a function gave back, if that is not too much."""
    payload = json.dumps(result, ensure_ascii=False).encode()
    if len(payload) > RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
        return _failed({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}, request_id)
    return Answer(200, _executed(request_id), payload)


def raised(error: BaseException, frames: Sequence[str], request_id: str) -> Answer:
    """As the runtime of Python reports what a handler raised."""
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


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def invocation(request: AWSPreparedRequest) -> InvokeCall | None:
    """A request of Lambda, if it is an Invoke."""

    return read(request.url, dict(request.headers.items()), _bytes(request.body))
