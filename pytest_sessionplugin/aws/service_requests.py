"""Requests of AWS clients as they arrive over HTTP, read as botocore would name them: service, region and operation.

The scope of the signature names service and region, botocore's service models the operation. No signature is verified.

Sources: "Create a signed AWS API request" in the IAM user guide; "Common errors" in the API reference of each service;
the AWS protocols of smithy.io; messages as DynamoDB and SQS answer them.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from pytest_sessionplugin.aws import endpoints, wire
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.endpoints import endpoint_host
from pytest_sessionplugin.aws.http_requests import FORM, HttpRequest
from pytest_sessionplugin.aws.iam import Asked
from pytest_sessionplugin.aws.wire import Answer

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.loaders import Loader
    from botocore.model import OperationModel, ServiceModel


MISSING = "Request is missing Authentication Token"
CONNECTIONS = "/@connections"
BY_PATH = ("rest-json", "rest-xml")
"""Protocols in which method and path name the operation."""

_CREDENTIAL = re.compile(r"Credential=([^,\s]*)")
_SCOPE = re.compile(r"[0-9]{8}/[a-z0-9-]+/[a-z0-9-]+/aws4_request")
_RPC = re.compile(r"/service/\w+/operation/(\w+)")
_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")
_RETRY = re.compile(r"attempt=(?!1\b)\d")
_METADATA = re.compile(r'"metadata"\s*:\s*')


@dataclass(frozen=True)
class ServiceRequest:
    """A call over HTTP, ready for the backends of an account."""

    call: Call
    protocol: str  # in which the client speaks
    request: AWSPreparedRequest  # to AWS's own host
    is_retry: bool  # the SDK has sent this call before


def read(request: HttpRequest, connections_host: str) -> ServiceRequest | Answer:
    """The call that a request makes, or the answer to one that makes none.

    `connections_host` is the host name of the app's WebSocket API, for calls of @connections.
    """
    scope = _scope(request)
    if isinstance(scope, Answer):
        return scope
    region, signing_name = scope
    first = None
    for model in _models(signing_name):
        first = first or model
        if (found := _operation(model, request)) is not None:
            host = connections_host if signing_name == "execute-api" else endpoint_host(model.endpoint_prefix, region)
            given = Asked(
                signing_name, found[0], _parameters(found[1], request), region, f"https://{host}{request.target}"
            )
            return _service_request(Call(model.service_name, found[0], asked=given), found[1], request, host)
    if first is None:
        return wire.refusal(_spoken(request), "NotImplemented", 501, f"no service of AWS signs as {signing_name}.")
    return _unknown_operation(request, wire.protocol(first))


def read_at(host: str, request: HttpRequest) -> ServiceRequest | Answer:
    """The call of a request to a host of AWS. S3 and open addresses need no signature of the usual form."""
    if (place := endpoints.s3_place(host)) is not None:
        return _of_s3(place, request)
    if _CREDENTIAL.search(request.headers.get("authorization", "")) or "X-Amz-Credential" in request.query:
        return read(request, host)
    service = host.partition(".")[0]
    return ServiceRequest(Call(service, request.method), _spoken(request), _prepared(request, host), False)


def _of_s3(place: endpoints.S3Place, request: HttpRequest) -> ServiceRequest:
    """A bucket in front of the host goes into the path, as service models have it."""
    if place.bucket:
        rest = request.target.removeprefix("/") if request.path == "/" else request.target
        request = replace(request, target=f"/{place.bucket}{rest}")
    if request.method == "PUT" and request.headers.get("content-type") == FORM:
        # urllib says so of any body, which emulators would then take apart.
        request = replace(request, headers={**request.headers, "content-type": "binary/octet-stream"})
    found = _operation(_model("s3"), request)
    bucket, _, key = unquote(request.path).removeprefix("/").partition("/")
    given = {name: value for name, value in (("Bucket", bucket), ("Key", key)) if value}
    is_upload = request.method == "POST" and request.headers.get("content-type", "").startswith("multipart/form-data")
    name = "PutObject" if is_upload else found[0] if found else request.method
    asked = Asked("s3", name, given, place.region, request.target)
    prepared = _prepared(request, endpoint_host("s3", place.region))
    return ServiceRequest(Call("s3", name, asked=asked), "rest-xml", prepared, False)


def _service_request(call: Call, protocol: str, request: HttpRequest, host: str) -> ServiceRequest | Answer:
    if protocol == "json" and not _is_object(request.body):
        return wire.refusal(protocol, "SerializationException", 400, "the body must be a JSON object.")
    is_retry = _RETRY.search(request.headers.get("amz-sdk-request", "")) is not None
    return ServiceRequest(call, protocol, _prepared(request, host), is_retry)


def _parameters(protocol: str, request: HttpRequest) -> Mapping[str, Any]:
    """The parameters by their names in the API; empty for protocols that have them in other places than the body."""
    if protocol == "query":
        return {name: values[0] for name, values in request.form.items()}
    return json.loads(request.body) if protocol == "json" and _is_object(request.body) else {}


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


# --- the signature's scope


def _scope(request: HttpRequest) -> tuple[str, str] | Answer:
    """Region and signing name, or a 403."""
    credential = request.query.get("X-Amz-Credential", [""])[0]
    header = request.headers.get("authorization", "")
    if not credential and not header:
        return _forbidden(request, "MissingAuthenticationToken", MISSING)
    if not credential:
        found = _CREDENTIAL.search(header) if header.startswith("AWS4-") else None
        if found is None:
            message = "Authorization header requires 'Credential' parameter, as in AWS4-HMAC-SHA256 Credential=…"
            return _forbidden(request, "IncompleteSignature", message)
        credential = found[1]
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or _SCOPE.fullmatch("/".join(parts[1:])) is None:
        message = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        return _forbidden(request, "IncompleteSignature", f"{message}, got '{credential}'")
    return parts[2], parts[3]


def _forbidden(request: HttpRequest, code: str, message: str) -> Answer:
    protocol = _spoken(request)
    return wire.refusal(protocol, code if protocol == "query" else f"{code}Exception", 403, message)


def _spoken(request: HttpRequest) -> str:
    """The protocol of a request whose service is unknown."""
    if "x-amz-target" in request.headers:
        return "json"
    return "query" if "Action" in request.form else "rest-json"


# --- services


def _models(signing_name: str) -> Iterator[ServiceModel]:
    """The services that sign with a name: the one that has it as its own name, then all others."""
    if signing_name in _loader().list_available_services("service-2"):
        yield _model(signing_name)
    for name in _signers().get(signing_name, ()):
        if name != signing_name:
            yield _model(name)


@functools.cache
def _model(service: str) -> ServiceModel:
    from botocore.model import ServiceModel

    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@functools.cache
def _signers() -> Mapping[str, Sequence[str]]:
    """Signing name -> services of that name. Reads the first lines of each model: a whole one may have 30 MB."""
    found: dict[str, list[str]] = {}
    for name in _loader().list_available_services("service-2"):
        metadata = _metadata(name)
        found.setdefault(metadata.get("signingName") or metadata.get("endpointPrefix", name), []).append(name)
    return found


def _metadata(service: str) -> Mapping[str, str]:
    loader = _loader()
    version = loader.determine_latest_version(service, "service-2")
    for folder in loader.search_paths:
        path = Path(folder, service, version, "service-2.json")
        if path.exists():
            return _first_object(path.read_bytes()[:8192])
        if (zipped := path.with_suffix(".json.gz")).exists():
            with gzip.open(zipped) as file:
                return _first_object(file.read(8192))
    return {}


def _first_object(model: bytes) -> Mapping[str, str]:
    """The metadata, with which each model begins."""
    text = model.decode(errors="replace")
    start = _METADATA.search(text)
    metadata: Mapping[str, str] = json.JSONDecoder().raw_decode(text, start.end())[0] if start else {}
    return metadata


@functools.cache
def _loader() -> Loader:
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))


# --- operations


def _operation(model: ServiceModel, request: HttpRequest) -> tuple[str, str] | None:
    """The operation, and the protocol in which it is asked for; None if the service has no such operation."""
    protocol = wire.protocol(model)
    if protocol in BY_PATH:
        route = next((each for each in _routes(model.service_name) if each.is_meant(request)), None)
        return (route.operation, protocol) if route is not None else None
    name, spoken = "", protocol
    if (path := _RPC.fullmatch(request.path)) is not None:
        name, spoken = path[1], "smithy-rpc-v2-cbor"
    elif (target := request.headers.get("x-amz-target")) is not None:
        prefix, _, name = target.rpartition(".")
        expected = model.metadata.get("targetPrefix", prefix)  # older models of SQS have none: they know only query
        name, spoken = name if prefix == expected else "", "json"
    elif request.form.get("Version", [model.api_version])[0] == model.api_version:
        name, spoken = request.form.get("Action", [""])[0], protocol if protocol == "ec2" else "query"
    return (name, spoken) if name in model.operation_names else None


def _unknown_operation(request: HttpRequest, protocol: str) -> Answer:
    if protocol in BY_PATH:
        message = f"no operation of this service is {request.method} {request.path}"
        return wire.refusal(protocol, "UnknownOperationException", 404, message)
    if "Action" not in request.form and protocol not in ("query", "ec2"):
        message = f"no operation of this service is {request.headers.get('x-amz-target', request.path)}"
        return wire.refusal("json", "UnknownOperationException", 400, message)
    message = f"The action {request.form.get('Action', [''])[0]} is not valid for this web service."
    return wire.refusal("ec2" if protocol == "ec2" else "query", "InvalidAction", 400, message)


@dataclass(frozen=True)
class RestRoute:
    """An operation of a REST protocol: its method and path, and the other parts of a request that it requires."""

    operation: str
    method: str
    path: re.Pattern[str]
    query: frozenset[tuple[str, str]]  # name and value; an empty value stands for any
    headers: frozenset[str]
    literals: int  # characters of the path outside of its labels
    is_deprecated: bool

    def is_meant(self, request: HttpRequest) -> bool:
        return (
            self.method == request.method
            and self.path.fullmatch(_path(request)) is not None
            and self.headers <= set(request.headers)
            and all(name in request.query and value in ("", request.query[name][0]) for name, value in self.query)
        )

    @property
    def rank(self) -> tuple[int, int, bool]:
        """Its place among those that a request may mean: the most specific one is last."""
        return self.literals, len(self.query) + len(self.headers), not self.is_deprecated


def _path(request: HttpRequest) -> str:
    """The path as service models have it: a call of @connections has its stage in front."""
    _, connections, connection = unquote(request.path).partition(CONNECTIONS)
    return f"{connections}{connection}" if connections else request.path


@functools.cache
def _routes(service: str) -> Sequence[RestRoute]:
    """Routes of a service, the most specific first."""
    model = _model(service)
    routes = (_route(model.operation_model(name)) for name in model.operation_names)
    return sorted(routes, key=lambda route: route.rank, reverse=True)


def _route(operation: OperationModel) -> RestRoute:
    path, _, query = operation.http["requestUri"].partition("?")
    shape: Any = operation.input_shape
    parts = [shape.members[name].serialization for name in shape.required_members] if shape is not None else []
    named = {(part["name"], "") for part in parts if part.get("location") == "querystring"}
    literal = {(name, values[0]) for name, values in parse_qs(query, keep_blank_values=True).items()}
    return RestRoute(
        operation.name,
        operation.http["method"],
        _pattern(path),
        frozenset(named | literal),
        frozenset(part["name"].lower() for part in parts if part.get("location") == "header"),
        len(_LABEL.sub("", path)),
        operation.deprecated,
    )


def _pattern(path: str) -> re.Pattern[str]:
    pattern, start = "", 0
    for label in _LABEL.finditer(path):
        pattern += re.escape(path[start : label.start()]) + (".+" if label[2] else "[^/]+")
        start = label.end()
    return re.compile(f"{pattern}{re.escape(path[start:])}/?")


# --- AWS's own URL


def _prepared(request: HttpRequest, host: str) -> AWSPreparedRequest:
    """The request as a client in this process would send it to AWS."""
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict

    headers: Any = HeadersDict({**request.headers, "content-length": str(len(request.body))})
    for name in ("host", "connection", "expect", "transfer-encoding"):
        headers.pop(name, None)
    return AWSPreparedRequest(request.method, f"https://{host}{request.target}", headers, request.body, False)
