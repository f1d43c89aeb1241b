"""A call in a child process is the account's call: its answer, its errors, its back-off."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from pytest_sessionplugin.aws import environment, sleeps, wire
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.hook import Hook
from pytest_sessionplugin.aws.http_requests import HttpRequest
from pytest_sessionplugin.aws.relay import Relay
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.children.listener import Children
from pytest_sessionplugin.errors import BlockedCall, BlockedConnection, SessionPluginError

pytestmark = pytest.mark.sockets

EMPTY = Answer(200, {"content-type": "application/x-amz-json-1.0"}, b'{"TableNames": ["rooms"]}')


class Account:
    """Answers with what it is given, and the last answer again."""

    def __init__(self) -> None:
        self.answers: list[Answer | Exception | None] = [EMPTY]
        self.begun: list[Call] = []
        self.attempted: list[Call] = []
        self.requests: list[Any] = []
        self.waits: list[float] = []
        self.slept: list[float] = []

    def begin(self, call: Call, url: str) -> None:
        self.begun.append(call)

    def attempt(self, call: Call, protocol: str, request: Any) -> Answer | None:
        self.requests.append(request)
        self.attempted.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def admit(self, host: str) -> None:
        raise BlockedConnection(host, "no.")

    def answer(self, host: str, request: HttpRequest) -> Answer | None:
        self.requests.append((host, request))
        return self.attempt(Call(host, request.method), "", request)

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def held_back(self, seconds: float) -> None: ...

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def relay(account: Account) -> Iterator[Relay]:
    children = Children(account, "tests/a b.py::test")
    with children.reached():
        yield Relay(children.account())


@pytest.fixture
def led(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Clients whose calls the relay sees, as in a child process."""
    for name, value in environment.neutral("us-east-1").items():
        monkeypatch.setenv(name, value)

    def client(service: str, **options: Any) -> Any:
        made = boto3.client(service, **options)  # type: ignore[call-overload]
        events = made.meta.events
        events.register_first("before-parameter-build", relay.before_parameter_build)
        events.register_first("before-call", relay.before_call)
        events.register_first("before-send", relay.before_send)
        return made

    with sleeps.taken_by(relay):
        yield client


def test_a_call_is_counted_once_with_what_it_needs_of_iam(led: Any, account: Account) -> None:
    assert led("dynamodb").list_tables()["TableNames"] == ["rooms"]
    led("dynamodb").get_item(TableName="rooms", Key={"name": {"S": "a"}})
    assert [str(call) for call in account.begun] == ["dynamodb:ListTables", "dynamodb:GetItem"]
    (need,) = account.begun[1].needs
    assert (need.action, str(need.resource).endswith(":table/rooms")) == ("dynamodb:GetItem", True)


def test_a_call_and_each_attempt_of_it_has_its_table_and_key(led: Any, account: Account) -> None:
    led("dynamodb").get_item(TableName="rooms", Key={"name": {"S": "a"}, "part": {"B": b"\xff"}})
    for call in (*account.begun, *account.attempted):
        assert (call.table, call.key) == ("rooms", {"name": "a", "part": "\N{REPLACEMENT CHARACTER}"})  # bytes as text


def test_the_request_comes_as_it_was_to_go_to_aws(led: Any, account: Account) -> None:
    led("dynamodb", endpoint_url="http://127.0.0.1:9").list_tables()
    account.answers = [Answer(200, {}, b"")]
    led("s3").put_object(Bucket="files", Key="a key", Body=b"\x00\n\xff")
    listing, upload = account.requests
    assert listing.url == "http://127.0.0.1:9/"
    assert listing.headers["X-Amz-Target"] == "DynamoDB_20120810.ListTables"
    assert (upload.method, upload.url) == ("PUT", "https://files.s3.amazonaws.com/a%20key")
    assert b"\x00\n\xff" in upload.body  # perhaps in chunks, which newer SDKs send


def test_a_stream_is_sent_whole_again(led: Any, account: Account) -> None:
    account.answers = [EndpointConnectionError(endpoint_url="https://x"), Answer(200, {}, b"")]
    led("s3").put_object(Bucket="files", Key="k", Body=io.BytesIO(b"all of it"))
    assert [b"all of it" in request.body for request in account.requests] == [True, True]


def test_an_answer_comes_byte_by_byte(led: Any, account: Account) -> None:
    account.answers = [Answer(200, {"content-type": "a/b", "x-amz-meta-a": "é"}, b"\x00\n\n\xff")]
    answer = led("s3").get_object(Bucket="files", Key="k")
    assert (answer["Body"].read(), answer["Metadata"]) == (b"\x00\n\n\xff", {"a": "é"})


def test_errors_and_retries_are_the_sdk_s(led: Any, account: Account) -> None:
    throttled = wire.refusal("json", "ThrottlingException", 400, "slow down")
    account.answers = [throttled, throttled, EMPTY]
    assert led("dynamodb").list_tables()["TableNames"] == ["rooms"]
    assert len(account.waits) == 2
    account.answers = [wire.refusal("json", "AccessDeniedException", 400, "no")]
    with pytest.raises(ClientError, match="AccessDeniedException"):
        led("dynamodb").list_tables()
    account.answers = [EndpointConnectionError(endpoint_url="https://x"), EMPTY]
    led("dynamodb").list_tables()
    assert len(account.begun) == 3


def test_a_waiter_sleeps_in_the_account(led: Any, account: Account) -> None:
    account.answers = [Answer(404, {}, b""), Answer(200, {}, b"")]
    led("s3").get_waiter("bucket_exists").wait(Bucket="files")
    assert account.slept == [5]


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (EndpointConnectionError(endpoint_url="https://x"), EndpointConnectionError),
        (ReadTimeoutError(endpoint_url="https://x"), ReadTimeoutError),
        (BlockedCall("dynamodb", "ListTables", "nothing emulates it."), BlockedCall),
        (ZeroDivisionError("a bug"), SessionPluginError),
    ],
)
def test_what_the_account_raises_is_raised_in_the_child(
    led: Any, account: Account, raised: Exception, seen: type[Exception]
) -> None:
    account.answers = [raised]
    with pytest.raises(seen) as error:
        led("dynamodb").list_tables()
    if isinstance(raised, BlockedCall):
        assert str(error.value) == str(raised)
    if isinstance(raised, ZeroDivisionError):
        assert "dynamodb:ListTables failed in the process that started this one: ZeroDivisionError: a bug" in str(
            error.value
        )


def test_a_call_to_a_database_on_this_machine_is_let_through(led: Any, account: Account) -> None:
    account.answers = [None]
    with pytest.raises(EndpointConnectionError, match=r"127\.0\.0\.1:9"):
        led("dynamodb", endpoint_url="http://127.0.0.1:9").list_tables()


def test_a_child_that_outlives_its_test_is_told_so(led: Any, account: Account, relay: Relay) -> None:
    children = Children(account, "tests/a b.py::test")
    with children.reached():
        address = children.account()
    late = Relay(address)
    with pytest.raises(BlockedCall, match=r"outlived tests/a b.py::test, which started it. Let it end there."):
        late.waited(1.0)


def test_an_address_may_say_why_there_is_none() -> None:
    with pytest.raises(BlockedCall, match="cannot listen"):
        Relay("the process that started this one cannot listen on loopback.").waited(1.0)


def test_a_hook_that_follows_nobody_lets_calls_pass_and_sleeps() -> None:
    hook = Hook()
    hook.follow(None)
    assert hook.before_send(event_name="before-send.dynamodb.ListTables", request=None) is None


# --- HTTP clients


def test_a_request_of_an_http_client_is_answered_by_the_account(relay: Relay, account: Account) -> None:
    request = HttpRequest("PUT", "/a?b=c", {"content-type": "x"}, b"\x00\n\xff")
    assert relay.takes("files.s3.amazonaws.com")
    assert relay.answer("files.s3.amazonaws.com", request) == EMPTY
    assert account.requests[0] == ("files.s3.amazonaws.com", request)
    account.answers = [None]
    assert relay.answer("files.s3.amazonaws.com", request) is None
    account.answers = [BlockedCall("abc", "GET", "nothing emulates it.")]
    with pytest.raises(BlockedCall, match=r"nothing emulates it\."):
        relay.answer("abc.execute-api.us-east-1.amazonaws.com", request)


def test_a_socket_to_aws_is_refused_and_the_account_knows(relay: Relay) -> None:
    assert not relay.takes("example.com")
    with pytest.raises(BlockedConnection, match=r"no connection to dynamodb\.us-east-1\.amazonaws\.com: no\."):
        relay.admit("dynamodb.us-east-1.amazonaws.com")


def test_a_child_asks_about_each_host_where_others_are_refused(account: Account) -> None:
    children = Children(account, "a test", other_hosts=False)
    with children.reached():
        careful = Relay(children.account())
        assert not careful.takes("127.0.0.1")
        with pytest.raises(BlockedConnection, match=r"no connection to example\.com: no\."):
            careful.takes("example.com")


def test_a_client_is_led_to_aws_or_to_a_real_dynamodb(relay: Relay, led: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = led("dynamodb", endpoint_url="http://dynamodb:8000")
    client.list_tables()
    request = SimpleNamespace(url="http://dynamodb:8000/", context={})
    assert (
        relay.url("before-sign.dynamodb.ListTables", request, "eu-west-1")
        == "https://dynamodb.eu-west-1.amazonaws.com/"
    )
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    assert relay.url("before-sign.dynamodb.ListTables", request, "eu-west-1") == "http://127.0.0.1:9/"
