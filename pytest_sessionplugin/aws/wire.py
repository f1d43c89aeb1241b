"""Answers over HTTP, errors in each protocol of AWS, and the bodies of requests."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.endpoints import is_aws

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

    from pytest_sessionplugin.aws.dynamodb.capacity import Outcome
    from pytest_sessionplugin.aws.dynamodb.values import Refusal
    from pytest_sessionplugin.gateway.values import Manage


@dataclass(frozen=True)
class LongPoll:
    """For how long a service would wait before it gives an empty answer."""

    seconds: float
    due: float | None = None  # when something will be there by itself, in seconds since the epoch


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of AWS."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    read_units: float = 0.0  # capacity that DynamoDB has consumed for it
    write_units: float = 0.0
    wait: LongPoll | None = None  # of an empty answer that AWS would give later
    hint: str | None = None  # why it is an error, as a sentence for the developer


def protocol(service_model: Any) -> str:
    """The protocol that botocore speaks with a service. Older versions know a single one for each service."""
    name = getattr(service_model, "resolved_protocol", None) or service_model.metadata["protocol"]
    return str(name)


def refusal(protocol: str, code: str, status: int, message: str) -> Answer:
    """An error as the service would write it, so that the SDK reads it and retries by its own rules."""
    if protocol in ("query", "rest-xml", "ec2"):
        return Answer(status, {"content-type": "text/xml"}, _xml(protocol, code, message))
    body = {"__type": code, "message": message} if protocol == "json" else {"message": message}
    headers = {"content-type": "application/json", "x-amzn-ErrorType": code}
    return Answer(status, headers, json.dumps(body).encode())


def refused(refusal: Refusal) -> Answer:
    """An error as DynamoDB writes it."""
    kind = "com.amazonaws.dynamodb.v20120810"
    body = {"__type": f"{kind}#{refusal.code}", "message": refusal.message, "Message": refusal.message}
    text = json.dumps({**body, **refusal.members}).encode()
    return Answer(400, _of_dynamodb(), text, write_units=refusal.write_units)


def _of_dynamodb() -> Mapping[str, str]:
    """Headers of DynamoDB's answers, with an id of the request."""
    return {"content-type": "application/x-amz-json-1.0", "x-amzn-RequestId": secrets.token_hex(26).upper()}


def _xml(protocol: str, code: str, message: str) -> bytes:
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "rest-xml":
        return f"<Error>{error}</Error>".encode()
    if protocol == "ec2":
        return f"<Response><Errors><Error>{error}</Error></Errors></Response>".encode()
    return f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()


def members(request: AWSPreparedRequest) -> dict[str, Any]:
    """The members of a request of DynamoDB."""
    asked: dict[str, Any] = json.loads(sent(request.body))
    return asked


def asking(request: AWSPreparedRequest, members: Mapping[str, Any]) -> AWSPreparedRequest:
    """The same request of DynamoDB with other members."""
    body = json.dumps(members).encode()
    old: Any = request.headers
    headers = {**old, "Content-Length": str(len(body))}
    return type(request)(request.method, request.url, type(old)(headers), body, request.stream_output)


def kept(request: AWSPreparedRequest) -> AWSPreparedRequest:
    """The same request, to be made again later: its body is bytes. A stream is rewound."""
    body: Any = request.body
    if hasattr(body, "read"):
        body = body.read()
        request.reset_stream()
    return type(request)(request.method, request.url, request.headers, body, request.stream_output)


def giving_back(answer: Answer, member: str, left: Mapping[str, Any]) -> Answer:
    """The answer to a batch that was sent without the items in `left`, with them as unprocessed. Errors stay."""
    if answer.status != 200:
        return answer
    body = json.loads(answer.body)
    body[member] = {**body.get(member, {}), **left}
    about_the_body = {"x-amz-crc32", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in about_the_body}
    return replace(answer, headers=headers, body=json.dumps(body).encode())


TARGETS = ("DynamoDB_20120810", "DynamoDBStreams_20120810")


def target(request: Any) -> str | None:
    """The operation of DynamoDB or of its streams that AWS is asked for; None for another service or another host."""
    if not is_aws(place(request.url)):
        return None
    header = request.headers.get("X-Amz-Target", "")
    service, _, operation = (header.decode() if isinstance(header, bytes) else str(header)).partition(".")
    return operation if service in TARGETS else None


@dataclass(frozen=True)
class Scope:
    """Access key, region and service of a signature."""

    access_key: str
    region: str
    service: str


SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")


def scope(request: Any) -> Scope:
    """The scope of a request's signature; of an unsigned one, the usual key and the usual region."""
    header = request.headers.get("Authorization", b"")
    signature = header.decode() if isinstance(header, bytes) else str(header)
    found = SCOPE.search(signature or unquote(urlsplit(request.url).query))  # a presigned URL has it in its query
    return Scope(*found.groups()) if found else Scope(environment.ACCESS_KEY, environment.REGION, "dynamodb")


def outcome_of(outcome: Outcome) -> Answer:
    """The answer to an operation of DynamoDB."""
    consumed = outcome.consumed
    return Answer(200, _of_dynamodb(), json.dumps(outcome.members).encode(), consumed.read_units, consumed.write_units)


def outcome(answer: Answer) -> str:
    """The status, and the name of the error where the service writes one."""
    if answer.status < 400:
        return str(answer.status)
    code = str(_code(answer) or "").rpartition("#")[2].partition(":")[0]
    return f"{answer.status} {code}".strip()


def _code(answer: Answer) -> Any:
    """The error's name, from the header of rest-json or from a body of JSON or XML."""
    for name, value in answer.headers.items():
        if name.lower() == "x-amzn-errortype":
            return value
    try:
        if answer.body.lstrip().startswith(b"<"):
            return ElementTree.fromstring(answer.body).findtext(".//{*}Code")  # noqa: S314 - the emulator wrote it
        body = json.loads(answer.body)
        return body.get("__type") or body.get("code")
    except (ValueError, AttributeError, ElementTree.ParseError):
        return None


def management(method: str, url: str, body: Any) -> Manage:
    """A request of apigatewaymanagementapi as the gateway takes it."""
    from pytest_sessionplugin.gateway.values import Manage

    parts = urlsplit(url)
    return Manage(method, parts.netloc, parts.path, sent(body))


def sent(body: Any) -> bytes:
    """The bytes of a body. A stream is rewound, since it may have to be sent again."""
    if hasattr(body, "read"):
        start = body.tell()
        body, stream = body.read(), body
        stream.seek(start)
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def connection(manage: Manage) -> str:
    """The id of the connection that a call is about."""
    return unquote(manage.path.rpartition("/")[2])


def place(url: str) -> str:
    """Host and port."""
    return urlsplit(url).netloc
