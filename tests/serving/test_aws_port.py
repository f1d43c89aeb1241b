"""The AWS port: its HTTP, in front of an account that only listens, and a served app's account as boto3 meets it."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from pytest_sessionplugin.aws.service_requests import ServiceRequest
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.serving.aws_port import AwsAccount, AwsPort
from tests import forks
from tests.forks import Fork
from tests.processes import process
from tests.serving.test_control import APP, Up, environment, serving
from tests.strangers import PYPROJECT, write_project

PATIENCE = 30.0
SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260102/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
TABLES = {"Authorization": SIGNED.format("dynamodb"), "X-Amz-Target": "DynamoDB_20120810.ListTables"}
OBJECTS = {"Authorization": SIGNED.format("s3")}


class Listening:
    """An account that answers each call the same, or raises."""

    def __init__(self, answer: Answer | Exception | None) -> None:
        self.answer = answer
        self.asked: list[ServiceRequest] = []
        self.failed: list[str] = []

    def __call__(self, request: ServiceRequest) -> Answer | None:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def fail(self, call: str, error: Exception) -> None:
        self.failed.append(f"{call}: {error}")


@pytest.fixture
def account() -> Listening:
    return Listening(Answer(200, {"content-type": "text/plain", "Connection": "x", "Content-Length": "9"}, b"answer"))


@contextmanager
def listening(account: Listening, dynamodb: str | None = None) -> Iterator[HTTPConnection]:
    """A client of a port in front of the account."""
    asked = AwsAccount(account, account.fail, connections_host="host", dynamodb=dynamodb)
    with AwsPort(asked, "127.0.0.1", 0) as port:
        client = HTTPConnection(urlsplit(port.url).netloc, timeout=PATIENCE)
        try:
            yield client
        finally:
            client.close()


@pytest.fixture
def http(account: Listening) -> Iterator[HTTPConnection]:
    with listening(account) as client:
        yield client


def ask(
    http: HTTPConnection,
    headers: dict[str, str],
    body: Any = b"{}",
    target: str = "/",
    method: str = "POST",
    **how: bool,
) -> tuple[HTTPResponse, str]:
    http.request(method, target, body, headers, **how)
    response = http.getresponse()
    return response, response.read().decode()


@pytest.mark.sockets
class TestHttp:
    def test_calls_of_one_connection_are_answered_one_after_another(
        self, http: HTTPConnection, account: Listening
    ) -> None:
        for _ in range(2):
            response, said = ask(http, TABLES)
            assert (response.status, response.headers["Content-Type"], said) == (200, "text/plain", "answer")
            assert (response.headers.get_all("Content-Length"), response.headers["Connection"]) == (["6"], None)
        assert [str(each.call) for each in account.asked] == ["dynamodb:ListTables"] * 2

    def test_a_head_has_the_length_of_the_body_that_it_lacks(self, http: HTTPConnection) -> None:
        response, said = ask(http, OBJECTS, b"", "/bucket/key", "HEAD")
        assert (response.headers["Content-Length"], said) == ("9", "")
        assert ask(http, TABLES)[1] == "answer"

    def test_an_answer_without_content_has_no_body(self, http: HTTPConnection, account: Listening) -> None:
        account.answer = Answer(204, {}, b"ignored")
        response, said = ask(http, OBJECTS, b"", "/bucket/key", "DELETE")
        assert (response.status, response.headers["Content-Length"], said) == (204, None, "")
        assert ask(http, TABLES)[0].status == 204

    def test_an_answer_cannot_write_headers_of_its_own(self, http: HTTPConnection, account: Listening) -> None:
        account.answer = Answer(200, {"X-Said": "a\r\nX-Other: b"}, b"")
        response, _ = ask(http, TABLES)
        assert (response.headers["X-Said"], response.headers["X-Other"]) == ("a X-Other: b", None)

    @pytest.mark.parametrize(
        "headers",
        [{**TABLES, "Host": "rebound.example"}, {**TABLES, "Origin": "http://127.0.0.1"}, {**TABLES, "Host": ""}],
    )
    def test_a_web_page_is_refused_with_the_reason(
        self, http: HTTPConnection, account: Listening, headers: dict[str, str]
    ) -> None:
        response, said = ask(http, headers)
        assert (response.status, response.headers["Connection"]) == (403, "close")
        assert ("a web page may" if "Origin" in headers else "only this machine may use the AWS port") in said
        assert account.asked == []

    @pytest.mark.parametrize(
        ("headers", "target", "status"),
        [
            ({"Content-Length": str(64 * 1024 * 1024 + 1)}, "/", 413),
            ({"Content-Length": "9" * 5000}, "/", 413),
            ({"Content-Length": "-1"}, "/", 400),
            ({"Content-Length": "²"}, "/", 400),
            ({"Transfer-Encoding": "gzip, chunked"}, "/", 400),
            ({"Transfer-Encoding": "chunked", "Content-Length": "2"}, "/", 400),
            ({"Content-Length": "2"}, "http://127.0.0.1/", 400),
        ],
    )
    def test_a_body_that_cannot_be_read_is_refused_before_it_is_read(
        self, http: HTTPConnection, account: Listening, headers: dict[str, str], target: str, status: int
    ) -> None:
        http.putrequest("POST", target)
        for name, value in {**TABLES, **headers}.items():
            http.putheader(name, value.encode("latin-1"))
        http.endheaders()
        response = http.getresponse()
        assert (response.status, response.headers["Connection"]) == (status, "close")
        assert account.asked == []

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            (b"5\r\nhello\r\n", "the body ended before its length."),
            (b"5\r\nhel", "the body ended before its length."),
            (b"5\r\nhello, world\r\n0\r\n\r\n", "the body ended before its length."),
            (b"-5\r\n", "the chunked body is malformed."),
            (b"0x5\r\n", "the chunked body is malformed."),
            (b"4000001\r\n", "a body may have 67108864 bytes."),
            (b"1" * 10_000, "the body ended before its length."),
        ],
    )
    def test_a_chunked_body_that_is_malformed_is_refused(
        self, http: HTTPConnection, account: Listening, body: bytes, sentence: str
    ) -> None:
        http.putrequest("POST", "/")
        for name, value in {**TABLES, "Transfer-Encoding": "chunked"}.items():
            http.putheader(name, value)
        http.endheaders(body)
        http.sock.shutdown(socket.SHUT_WR)
        assert json.loads(http.getresponse().read()) == {"message": sentence}
        assert account.asked == []

    def test_a_chunked_body_is_read_to_its_end(self, http: HTTPConnection, account: Listening) -> None:
        assert ask(http, TABLES, iter([b'{"Limit"', b":1}"]), encode_chunked=True)[1] == "answer"
        assert ask(http, TABLES)[1] == "answer"
        assert [each.request.body for each in account.asked] == [b'{"Limit":1}', b"{}"]

    def test_a_body_is_sent_for_only_if_it_is_taken(self, http: HTTPConnection, account: Listening) -> None:
        http.putrequest("PUT", "/bucket/key")
        for name, value in {**OBJECTS, "Content-Length": "5", "Expect": "100-continue"}.items():
            http.putheader(name, value)
        http.endheaders()
        assert http.sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        http.send(b"hello")
        assert http.getresponse().read() == b"answer"
        assert account.asked[0].request.body == b"hello"

    @pytest.mark.parametrize(
        ("streaming", "body", "checksum"),
        [
            (
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                b"5;chunk-signature=a\r\nhello\r\n6;chunk-signature=b\r\n world\r\n0;chunk-signature=c\r\n\r\n",
                None,
            ),
            (
                "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                b"B\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
                "DUoRhQ==",
            ),
        ],
    )
    def test_the_chunks_in_which_s3_signs_a_stream_are_put_together(
        self, http: HTTPConnection, account: Listening, streaming: str, body: bytes, checksum: str | None
    ) -> None:
        of_chunks = {"X-Amz-Content-SHA256": streaming, "X-Amz-Decoded-Content-Length": "11"}
        headers = {**OBJECTS, **of_chunks, "Content-Encoding": "gzip, aws-chunked"}
        assert ask(http, headers, body, "/bucket/key", "PUT")[1] == "answer"
        sent = account.asked[0].request
        assert (sent.body, sent.headers["Content-Length"], sent.headers["Content-Encoding"]) == (
            b"hello world",
            "11",
            "gzip",
        )
        assert sent.headers.get("X-Amz-Checksum-Crc32") == checksum
        assert sent.headers["X-Amz-Content-Sha256"] == "UNSIGNED-PAYLOAD"

    def test_a_connection_without_an_answer_is_closed(self, http: HTTPConnection, account: Listening) -> None:
        account.answer = None
        with pytest.raises(ConnectionError):
            ask(http, TABLES)

    def test_an_emulator_that_fails_says_so_to_the_client_and_to_the_terminal(
        self, http: HTTPConnection, account: Listening
    ) -> None:
        account.answer = KeyError("TableName")
        response, said = ask(http, TABLES)
        assert (response.status, json.loads(said)["__type"]) == (501, "NotImplemented")
        assert "the emulator failed at dynamodb:ListTables: KeyError: 'TableName'" in said
        assert account.failed == ["dynamodb:ListTables: 'TableName'"]

    def test_tables_of_a_real_dynamodb_are_not_looked_for_in_memory(self, account: Listening) -> None:
        with listening(account, "http://127.0.0.1:8000") as http:
            response, said = ask(http, TABLES)
            assert (response.status, json.loads(said)["message"]) == (
                501,
                "the tables are at http://127.0.0.1:8000: ask there.",
            )
            assert ask(http, OBJECTS, b"", "/bucket/key", "GET")[1] == "answer"


# --- a served app, and boto3 in this process, where no interceptor is in use


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    pytest.importorskip("h11")
    root = write_project(Path(tmp_path_factory.mktemp("served")), APP, PYPROJECT)
    with serving(root, "--control-port", "0", "--aws-port", "0") as up:
        yield up


Client = Callable[..., Any]


@pytest.fixture
def client(up: Up) -> Iterator[Client]:
    """Makes clients with the variables of --json; at the end each fault is over."""
    import boto3
    from botocore.config import Config

    aws, made = up.said["aws"], []
    session = boto3.Session(aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")

    def make(service: str, path: str = "", **how: Any) -> Any:
        config = Config(proxies={}, connect_timeout=PATIENCE, read_timeout=PATIENCE, **how)
        made.append(session.client(service, endpoint_url=aws["AWS_ENDPOINT_URL"] + path, config=config))  # type: ignore[call-overload]
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert up.ask("DELETE", "/faults")[0] == 200


@pytest.mark.process
@pytest.mark.slow
class TestServed:
    def test_json_names_a_free_port_beside_the_credentials(self, up: Up) -> None:
        assert set(up.said["aws"]) == {
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_DEFAULT_REGION",
            "AWS_ENDPOINT_URL",
        }
        assert urlsplit(up.said["aws"]["AWS_ENDPOINT_URL"]).port not in (None, 0)

    def test_the_app_and_other_processes_see_the_same_rows(self, up: Up, client: Client) -> None:
        dynamodb = client("dynamodb")
        (rooms,) = dynamodb.list_tables()["TableNames"]
        up.http("PUT", "/rooms/by-the-app")
        assert (
            dynamodb.get_item(TableName=rooms, Key={"name": {"S": "by-the-app"}})["Item"]["name"]["S"] == "by-the-app"
        )
        dynamodb.put_item(TableName=rooms, Item={"name": {"S": "from-outside"}})
        assert "from-outside" in up.http("GET", "/log")[1]["rooms"]
        asked = {"KeyConditionExpression": "#n = :n", "ExpressionAttributeNames": {"#n": "name"}}
        found = dynamodb.query(TableName=rooms, ExpressionAttributeValues={":n": {"S": "from-outside"}}, **asked)
        assert found["Count"] == 1

    def test_a_refusal_of_a_service_is_typed(self, client: Client) -> None:
        dynamodb, s3 = client("dynamodb"), client("s3")
        with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
            dynamodb.get_item(TableName="none", Key={"name": {"S": "a"}})
        with pytest.raises(s3.exceptions.NoSuchBucket):
            s3.list_objects_v2(Bucket="none")

    def test_messages_go_through_a_queue_and_a_topic(self, client: Client) -> None:
        sqs, sns = client("sqs"), client("sns")
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = sns.create_topic(Name="orders")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        sns.publish(TopicArn=topic, Message="a lamp")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        assert message["Body"] == "a lamp"

    def test_a_poll_gets_what_is_sent_meanwhile_and_holds_nobody_up(self, client: Client) -> None:
        sqs, polling = client("sqs"), client("sqs")
        patient = {"ReceiveMessageWaitTimeSeconds": "20"}
        queue = sqs.create_queue(QueueName="polled", Attributes=patient)["QueueUrl"]
        with ThreadPoolExecutor(1) as executor:
            answer = executor.submit(polling.receive_message, QueueUrl=queue)
            sqs.list_queues()
            assert not answer.done()
            sqs.send_message(QueueUrl=queue, MessageBody="a lamp")
            assert [message["Body"] for message in answer.result(10)["Messages"]] == ["a lamp"]

    def test_a_poll_of_the_query_protocol_ends_when_time_is_moved(self, up: Up, client: Client) -> None:
        queue = client("sqs").create_queue(QueueName="empty")["QueueUrl"]
        asked = {"Action": "ReceiveMessage", "Version": "2012-11-05", "QueueUrl": queue, "WaitTimeSeconds": "20"}
        http = HTTPConnection(urlsplit(up.said["aws"]["AWS_ENDPOINT_URL"]).netloc, timeout=PATIENCE)
        headers = {"Authorization": SIGNED.format("sqs"), "Content-Type": "application/x-www-form-urlencoded"}
        began = time.monotonic()
        with ThreadPoolExecutor(1) as executor:
            answer = executor.submit(ask, http, headers, urlencode(asked))
            while not wait([answer], timeout=0.1).done:
                assert up.ask("POST", "/clock", {"advance": 20})[0] == 200
            response, said = answer.result()
        assert time.monotonic() - began < 15
        assert (response.status, "<ReceiveMessageResponse" in said, "<Message>" in said) == (200, True, False)
        http.close()

    def test_an_object_is_uploaded_and_downloaded(self, client: Client) -> None:
        s3 = client("s3")
        s3.create_bucket(Bucket="pictures")
        for key, body in (("a b/ö.txt", b"hello"), ("large", b"x" * 9_000_000)):
            s3.upload_fileobj(io.BytesIO(body), "pictures", key)
            assert s3.head_object(Bucket="pictures", Key=key)["ContentLength"] == len(body)
            assert s3.get_object(Bucket="pictures", Key=key)["Body"].read() == body
        assert [each["Key"] for each in s3.list_objects_v2(Bucket="pictures")["Contents"]] == ["a b/ö.txt", "large"]

    def test_a_presigned_url_serves_its_object(self, up: Up, client: Client) -> None:
        s3 = client("s3", signature_version="s3v4")
        s3.create_bucket(Bucket="shared")
        s3.put_object(Bucket="shared", Key="a", Body=b"hello", ContentType="text/plain")
        url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "shared", "Key": "a"}))
        http = HTTPConnection(url.netloc, timeout=PATIENCE)
        assert ask(http, {}, None, f"{url.path}?{url.query}", "GET")[1] == "hello"
        http.close()

    def test_another_region_has_tables_of_its_own(self, up: Up, client: Client) -> None:
        http = HTTPConnection(urlsplit(up.said["aws"]["AWS_ENDPOINT_URL"]).netloc, timeout=PATIENCE)
        there = {**TABLES, "Authorization": TABLES["Authorization"].replace("us-east-1", "eu-west-1")}
        assert json.loads(ask(http, there)[1]) == {"TableNames": []}
        assert len(json.loads(ask(http, TABLES)[1])["TableNames"]) == 1
        http.close()

    def test_a_post_reaches_a_websocket(self, up: Up, client: Client) -> None:
        api = client("apigatewaymanagementapi", "/api")
        with up.socket() as (websocket, connection):
            api.post_to_connection(ConnectionId=connection, Data=b"from outside")
            assert websocket.recv(PATIENCE) == "from outside"
            up.fault("gone", connection)
            with pytest.raises(api.exceptions.GoneException):
                api.post_to_connection(ConnectionId=connection, Data=b"lost")

    def test_a_function_is_invoked(self, up: Up, client: Client) -> None:
        answer = client("lambda").invoke(FunctionName="chat-dev-work", Payload=json.dumps("invoked"))
        assert (answer["FunctionError"], json.load(answer["Payload"])["errorMessage"]) == (
            "Unhandled",
            "no work is ever done",
        )
        assert "work invoked" in up.log

    def test_faults_of_the_control_port_meet_clients_outside_and_their_retries(self, up: Up, client: Client) -> None:
        dynamodb = client("dynamodb", retries={"total_max_attempts": 1})
        up.fault("throttled", "dynamodb:ListTables", times=1)
        with pytest.raises(dynamodb.exceptions.ClientError, match="ProvisionedThroughputExceededException"):
            dynamodb.list_tables()
        up.fault("unreachable", "dynamodb:ListTables", times=2)
        up.fault("answer_lost", "dynamodb:ListTables", times=1)
        answer = client("dynamodb", retries={"total_max_attempts": 5}).list_tables()
        assert answer["ResponseMetadata"]["RetryAttempts"] == 3

    def test_a_call_that_nothing_emulates_says_so(self, client: Client) -> None:
        translate = client("translate")
        with pytest.raises(translate.exceptions.ClientError) as raised:
            translate.list_languages()
        response: dict[str, Any] = raised.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert "translate:ListLanguages was blocked: nothing emulates it" in response["Error"]["Message"]

    def test_many_clients_at_once_lose_no_update(self, client: Client) -> None:
        dynamodb = client("dynamodb", max_pool_connections=8)
        (rooms,) = dynamodb.list_tables()["TableNames"]
        add = {"UpdateExpression": "ADD visits :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}

        def visit() -> None:
            for _ in range(5):
                dynamodb.update_item(TableName=rooms, Key={"name": {"S": "busy"}}, **add)

        threads = [threading.Thread(target=visit) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        row = dynamodb.get_item(TableName=rooms, Key={"name": {"S": "busy"}})["Item"]
        assert row["visits"] == {"N": "40"}


@pytest.mark.process
def test_it_is_for_this_machine_alone(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(root), "--host", "0.0.0.0", "--aws-port", "0"]  # noqa: S104
    done = forks.run(command, timeout=PATIENCE, env=environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert "with an AWS port it must be a loopback address" in done.stderr


@pytest.mark.process
def test_people_are_told_the_port_and_how_the_aws_cli_uses_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(write_project(tmp_path)), "--aws-port", "0"]
    with process([*command, "--http-port", "0", "--websocket-port", "0"], environment(), start=Fork) as serve:
        assert serve.stdout is not None
        url = next(line.split()[1] for line in serve.stdout if line.startswith("  AWS "))
        hint = next(line for line in serve.stdout if line.startswith("The AWS CLI: "))
    assert url.startswith("http://127.0.0.1:")
    assert f"AWS_ENDPOINT_URL={url} aws dynamodb list-tables" in hint
