"""Requests of every protocol are named as botocore names them, for the host to which it would send them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.http_requests import HttpRequest
from pytest_sessionplugin.aws.service_requests import ServiceRequest, read, read_at
from pytest_sessionplugin.aws.wire import Answer

CONNECTIONS_HOST = "w3bs0ck000.execute-api.us-east-1.amazonaws.com"


def signed(service: str, region: str = "us-east-1") -> dict[str, str]:
    scope = f"Credential=testing/20260102/{region}/{service}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}


def received(
    service: str, method: str = "POST", target: str = "/", body: bytes = b"{}", /, **headers: str
) -> ServiceRequest | Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read(HttpRequest(method, target, {**signed(service), **named}, body), CONNECTIONS_HOST)


def understood(*request: Any, **headers: str) -> ServiceRequest:
    found = received(*request, **headers)
    assert isinstance(found, ServiceRequest), found
    return found


def refused(*request: Any, **headers: str) -> tuple[int, str]:
    found = received(*request, **headers)
    assert isinstance(found, Answer), found
    return found.status, found.body.decode()


# --- operations


@pytest.mark.parametrize(
    ("target", "service", "call", "host"),
    [
        ("DynamoDB_20120810.GetItem", "dynamodb", "dynamodb:GetItem", "dynamodb.us-east-1"),
        ("DynamoDBStreams_20120810.GetRecords", "dynamodb", "dynamodbstreams:GetRecords", "streams.dynamodb.us-east-1"),
        ("AmazonSQS.SendMessage", "sqs", "sqs:SendMessage", "sqs.us-east-1"),
        ("AWSStepFunctions.StartExecution", "states", "stepfunctions:StartExecution", "states.us-east-1"),
    ],
)
def test_a_target_names_the_operation_of_a_json_protocol(target: str, service: str, call: str, host: str) -> None:
    found = understood(service, x_amz_target=target)
    assert (str(found.call), found.protocol) == (call, "json")
    assert found.request.url == f"https://{host}.amazonaws.com/"


@pytest.mark.parametrize(
    ("service", "form", "call", "protocol"),
    [
        ("sns", "Action=Publish&Version=2010-03-31", "sns:Publish", "query"),
        ("sqs", "Action=SendMessage", "sqs:SendMessage", "query"),  # SDKs from before its json protocol
        ("ec2", "Action=DescribeRegions&Version=2016-11-15", "ec2:DescribeRegions", "ec2"),
        (
            "elasticloadbalancing",
            "Action=DescribeLoadBalancers&Version=2012-06-01",
            "elb:DescribeLoadBalancers",
            "query",
        ),
        (
            "elasticloadbalancing",
            "Action=DescribeLoadBalancers&Version=2015-12-01",
            "elbv2:DescribeLoadBalancers",
            "query",
        ),
    ],
)
def test_an_action_names_the_operation_of_a_query_protocol(service: str, form: str, call: str, protocol: str) -> None:
    """Two services that sign alike differ by their version."""
    sent = "application/x-www-form-urlencoded; charset=utf-8"
    in_body = understood(service, "POST", "/", form.encode(), content_type=sent)
    assert (str(in_body.call), in_body.protocol) == (call, protocol)
    assert understood(service, "GET", f"/?{form}", b"").call == in_body.call


@pytest.mark.parametrize(
    ("service", "method", "target", "call"),
    [
        ("s3", "GET", "/", "s3:ListBuckets"),
        ("s3", "GET", "/bucket", "s3:ListObjects"),
        ("s3", "GET", "/bucket/?list-type=2&prefix=a", "s3:ListObjectsV2"),
        ("s3", "GET", "/bucket?location", "s3:GetBucketLocation"),
        ("s3", "PUT", "/bucket/a/b%20c", "s3:PutObject"),
        ("s3", "PUT", "/bucket/key?partNumber=1&uploadId=x", "s3:UploadPart"),
        ("s3", "POST", "/bucket/key?uploads", "s3:CreateMultipartUpload"),
        ("s3", "POST", "/bucket?delete", "s3:DeleteObjects"),
        ("s3", "HEAD", "/bucket/key", "s3:HeadObject"),
        ("lambda", "POST", "/2015-03-31/functions/chat-dev-work/invocations", "lambda:Invoke"),
        ("lambda", "GET", "/2015-03-31/functions/", "lambda:ListFunctions"),
        ("ses", "GET", "/v2/email/contact-lists", "sesv2:ListContactLists"),
    ],
)
def test_method_and_path_name_the_operation_of_a_rest_protocol(
    service: str, method: str, target: str, call: str
) -> None:
    assert str(understood(service, method, target, b"").call) == call


def test_a_header_that_an_operation_requires_tells_it_from_another() -> None:
    found = understood("s3", "PUT", "/bucket/key", b"", x_amz_copy_source="/bucket/other")
    assert str(found.call) == "s3:CopyObject"


def test_an_operation_of_the_cbor_protocol_is_in_its_path() -> None:
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    found = understood("monitoring", "POST", path, b"\xa0", smithy_protocol="rpc-v2-cbor")
    assert (str(found.call), found.protocol) == ("cloudwatch:ListMetrics", "smithy-rpc-v2-cbor")


def test_a_call_of_connections_goes_to_the_apps_own_api() -> None:
    found = understood("execute-api", "POST", "/api/@connections/VNR%3D", b"hi")
    assert found.call == Call("apigatewaymanagementapi", "PostToConnection")
    assert found.request.url == f"https://{CONNECTIONS_HOST}/api/@connections/VNR%3D"


# --- all operations of some services, as botocore writes them


def _sample(shape: Any, depth: int = 0) -> Any:
    """A value of a shape with its required members."""
    if shape.type_name == "structure":
        return {name: _sample(shape.members[name], depth + 1) for name in shape.required_members}
    if shape.type_name in ("list", "map"):
        return [_sample(shape.member)] if shape.type_name == "list" else {}
    if shape.type_name == "timestamp":
        return 0
    if shape.type_name == "blob":
        return b"x"
    if shape.type_name == "boolean":
        return True
    return 1 if shape.type_name in ("integer", "long", "float", "double") else (shape.enum or ["x"])[0]


def _written(service: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and request of each operation."""
    import botocore.session
    from botocore.serialize import create_serializer

    model = botocore.session.get_session().get_service_model(service)
    serializer = create_serializer(model.protocol, include_validation=False)
    for name in model.operation_names:
        operation = model.operation_model(name)
        parameters = _sample(operation.input_shape) if operation.input_shape is not None else {}
        yield name, serializer.serialize_to_request(parameters, operation)


ALIKE = {
    "ListDirectoryBuckets",  # differs from ListBuckets by its host alone
    *("GetBucketLifecycle", "PutBucketLifecycle", "GetBucketNotification", "PutBucketNotification"),  # deprecated
}


@pytest.mark.parametrize(
    ("service", "signing_name"),
    [
        ("dynamodb", "dynamodb"),
        ("dynamodbstreams", "dynamodb"),
        ("events", "events"),
        ("lambda", "lambda"),
        ("s3", "s3"),
        ("secretsmanager", "secretsmanager"),
        ("sns", "sns"),
        ("sqs", "sqs"),
        ("sts", "sts"),
    ],
)
def test_each_operation_is_named_as_botocore_wrote_it(service: str, signing_name: str) -> None:
    from urllib.parse import urlencode

    wrong = {}
    for name, request in _written(service):
        body, headers = request["body"], {key.lower(): str(value) for key, value in request["headers"].items()}
        if isinstance(body, dict):
            body = urlencode(body).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        query = request["query_string"]
        query = urlencode(query) if isinstance(query, dict) else query
        path = request["url_path"]
        target = f"{path}{'&' if '?' in path else '?'}{query}" if query else path
        sent = body.encode() if isinstance(body, str) else body
        found = read(HttpRequest(request["method"], target, {**signed(signing_name), **headers}, sent), "host")
        call = str(found.call) if isinstance(found, ServiceRequest) else str(found.body)
        if call != f"{service}:{name}":
            wrong[name] = call
    assert set(wrong) <= ALIKE, wrong


# --- the request itself


def test_a_backend_sees_the_request_as_it_came_but_for_its_host() -> None:
    found = understood(
        "s3", "PUT", "/bucket/a//b%2Fc?x-id=PutObject", b"hello", host="127.0.0.1:1", expect="100-continue", a="b"
    )
    request: Any = found.request
    assert (request.method, request.body) == ("PUT", b"hello")
    assert request.url == "https://s3.us-east-1.amazonaws.com/bucket/a//b%2Fc?x-id=PutObject"
    assert (request.headers["A"], request.headers["Content-Length"]) == ("b", "5")
    assert {"host", "expect"} & {name.lower() for name in request.headers} == set()


@pytest.mark.parametrize(("header", "is_retry"), [("", False), ("attempt=1; max=5", False), ("attempt=2; max=5", True)])
def test_a_retry_is_told_by_its_header(header: str, is_retry: bool) -> None:
    found = understood("dynamodb", x_amz_target="DynamoDB_20120810.ListTables", amz_sdk_request=header)
    assert found.is_retry is is_retry


def test_a_presigned_url_has_its_scope_in_the_query() -> None:
    target = "/bucket/key?X-Amz-Credential=testing%2F20260102%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
    found = read(HttpRequest("GET", target, {}, b""), CONNECTIONS_HOST)
    assert isinstance(found, ServiceRequest)
    assert (str(found.call), found.request.url) == ("s3:GetObject", f"https://s3.eu-west-1.amazonaws.com{target}")


# --- requests to a host


def at(host: str, method: str = "GET", target: str = "/", body: bytes = b"", /, **headers: str) -> ServiceRequest:
    found = read_at(host, HttpRequest(method, target, {name.replace("_", "-"): h for name, h in headers.items()}, body))
    assert isinstance(found, ServiceRequest), found
    return found


@pytest.mark.parametrize(
    ("host", "method", "target", "operation", "url"),
    [
        ("a.b.s3.amazonaws.com", "GET", "/c/d?x=1", "GetObject", "s3.us-east-1.amazonaws.com/a.b/c/d?x=1"),
        ("s3.eu-west-1.amazonaws.com", "PUT", "/b/c", "PutObject", "s3.eu-west-1.amazonaws.com/b/c"),
        ("b.s3-eu-west-1.amazonaws.com", "GET", "/", "ListObjects", "s3.eu-west-1.amazonaws.com/b"),
        ("b.s3.dualstack.eu-west-1.amazonaws.com", "HEAD", "/c", "HeadObject", "s3.eu-west-1.amazonaws.com/b/c"),
        ("b.s3-website-us-east-1.amazonaws.com", "GET", "/c", "GetObject", "s3.us-east-1.amazonaws.com/b/c"),
        ("s3.amazonaws.com", "OPTIONS", "/b/c", "OPTIONS", "s3.us-east-1.amazonaws.com/b/c"),
    ],
)
def test_s3_needs_no_signature_of_the_usual_form(host: str, method: str, target: str, operation: str, url: str) -> None:
    found = at(host, method, target)
    assert (str(found.call), found.request.url) == (f"s3:{operation}", f"https://{url}")


def test_a_form_for_s3_is_an_upload() -> None:
    assert str(at("b.s3.amazonaws.com", "POST", "/", b"", content_type="multipart/form-data; boundary=x").call) == (
        "s3:PutObject"
    )
    deletion = at("b.s3.amazonaws.com", "POST", "/?delete", b"", content_type="application/xml")
    assert str(deletion.call) == "s3:DeleteObjects"


def test_the_type_of_a_body_that_urllib_makes_up_is_not_taken() -> None:
    form = "application/x-www-form-urlencoded"
    assert at("b.s3.amazonaws.com", "PUT", "/c", content_type=form).request.headers["content-type"] != form


def test_a_host_names_the_service_of_an_open_address() -> None:
    found = at("cognito-idp.us-east-1.amazonaws.com", "GET", "/pool/.well-known/jwks.json")
    assert str(found.call) == "cognito-idp:GET"
    assert found.request.url == "https://cognito-idp.us-east-1.amazonaws.com/pool/.well-known/jwks.json"


def test_a_signature_names_the_service_of_any_other_host() -> None:
    host = "abc.execute-api.us-east-1.amazonaws.com"
    found = at(host, "POST", "/api/@connections/c", b"hi", **signed("execute-api"))
    assert (str(found.call), found.request.url) == (
        "apigatewaymanagementapi:PostToConnection",
        f"https://{host}/api/@connections/c",
    )
    unknown = read_at(
        "abc.appsync-api.us-east-1.amazonaws.com", HttpRequest("POST", "/graphql", signed("appsync"), b"")
    )
    assert isinstance(unknown, Answer)


# --- refusals


def test_a_request_without_a_signature_is_refused_in_the_form_of_its_protocol() -> None:
    def unsigned(target: str = "/", **headers: str) -> Answer:
        found = read(HttpRequest("POST", target, headers, b""), CONNECTIONS_HOST)
        assert isinstance(found, Answer)
        assert found.status == 403
        return found

    answer = unsigned(**{"x-amz-target": "DynamoDB_20120810.ListTables"})
    said = {"__type": "MissingAuthenticationTokenException", "message": "Request is missing Authentication Token"}
    assert json.loads(answer.body) == said
    assert b"<Code>MissingAuthenticationToken</Code>" in unsigned("/?Action=ListTopics").body
    assert unsigned("/v2/email").headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("authorization", "sentence"),
    [
        ("Basic eDp5", "Authorization header requires 'Credential' parameter"),
        ("AWS testing:signature", "Authorization header requires 'Credential' parameter"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host", "Authorization header requires 'Credential' parameter"),
        ("AWS4-HMAC-SHA256 Credential=testing/20260102, Signature=0", "exactly 5 slash-delimited elements"),
        (
            "AWS4-HMAC-SHA256 Credential=k/20260102/us-east-1/dynamodb/aws3_request",
            "exactly 5 slash-delimited elements",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=k/20260102/evil.com#/dynamodb/aws4_request",
            "exactly 5 slash-delimited elements",
        ),
    ],
)
def test_a_signature_without_a_readable_scope_is_incomplete(authorization: str, sentence: str) -> None:
    status, said = refused("dynamodb", authorization=authorization, x_amz_target="DynamoDB_20120810.ListTables")
    assert (status, json.loads(said)["__type"]) == (403, "IncompleteSignatureException")
    assert sentence in json.loads(said)["message"]


def test_an_unknown_service_is_not_emulated() -> None:
    assert refused("nope") == (501, '{"message": "no service of AWS signs as nope."}')


@pytest.mark.parametrize(
    ("request_", "headers", "status", "code"),
    [
        (("dynamodb",), {"x_amz_target": "DynamoDB_20120810.Fly"}, 400, "UnknownOperationException"),
        (("dynamodb",), {"x_amz_target": "DynamoDB_19990101.GetItem"}, 400, "UnknownOperationException"),
        (("dynamodb",), {}, 400, "UnknownOperationException"),
        (("sns", "GET", "/?Action=Fly", b""), {}, 400, "<Code>InvalidAction</Code>"),
        (("sqs", "GET", "/?Action=Fly", b""), {}, 400, "<Code>InvalidAction</Code>"),
        (("s3", "PATCH", "/bucket"), {}, 404, "<Code>UnknownOperationException</Code>"),
        (("lambda", "GET", "/2015-03-31/nothing"), {}, 404, "no operation of this service is GET /2015-03-31/nothing"),
    ],
)
def test_an_unknown_operation_is_refused_in_the_form_of_its_service(
    request_: tuple[Any, ...], headers: dict[str, str], status: int, code: str
) -> None:
    found, said = refused(*request_, **headers)
    assert found == status
    assert code in said


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_a_json_protocol_takes_objects_only(body: bytes) -> None:
    status, said = refused("dynamodb", "POST", "/", body, x_amz_target="DynamoDB_20120810.ListTables")
    assert (status, json.loads(said)["__type"]) == (400, "SerializationException")
