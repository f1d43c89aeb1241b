"""Calls are counted by service and by operation, held to budgets, and judged by IAM policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.calls import Attempt, Call, Calls, Denial, Uncounted
from pytest_sessionplugin.aws.iam import Asked
from pytest_sessionplugin.errors import BlockedCall, PolicyError, SessionPluginError


def ask(calls: Calls, *names: str) -> None:
    for name in names:
        service, operation = name.split(":")
        calls.asked(Call(service, operation))


def test_a_service_and_an_operation_are_counted() -> None:
    calls = Calls()
    ask(calls, "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:GetItem", "s3:GetObject")
    assert [str(call) for call in calls][:2] == ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    assert (len(calls), calls.count("dynamodb"), calls.count("dynamodb:GetItem"), calls.count("ssm")) == (4, 3, 2, 0)
    assert (str(calls[0]), str(calls[-1])) == ("dynamodb:GetItem", "s3:GetObject")


def test_a_call_that_was_not_made_is_answered_with_those_that_were() -> None:
    calls = Calls()
    with pytest.raises(IndexError, match="call 0 was not made; the app has made: none"):
        calls[0]
    ask(calls, "dynamodb:GetItem", "s3:GetObject")
    with pytest.raises(IndexError, match="call 2 was not made; the app has made: dynamodb:GetItem, s3:GetObject"):
        calls[2]


def test_a_budget_is_for_its_block() -> None:
    calls = Calls()
    ask(calls, "dynamodb:GetItem")
    with calls.at_most({"dynamodb:Scan": 0}, dynamodb=2), calls.exactly(dynamodb=1):
        ask(calls, "dynamodb:Query", "s3:GetObject")
    ask(calls, "dynamodb:Query", "dynamodb:Query")


def test_a_budget_that_is_exceeded_names_the_operations() -> None:
    calls = Calls()
    sentence = r"dynamodb was called 3 times, not at most 2: Query 2, GetItem 1"
    with pytest.raises(AssertionError, match=sentence), calls.at_most(dynamodb=2):
        ask(calls, "dynamodb:Query", "dynamodb:GetItem", "dynamodb:Query")


def test_too_few_are_not_exactly_so_many() -> None:
    calls = Calls()
    sentence = "dynamodb was called 0 times, not exactly 1: never"
    with pytest.raises(AssertionError, match=sentence), calls.exactly(dynamodb=1):
        pass
    with calls.at_most(dynamodb=1):
        pass


def test_units_are_those_that_the_block_consumed() -> None:
    calls = Calls()
    calls.consumed(0.5, 1.0)
    with calls.exactly(dynamodb=1, read_units=4, write_units=2.0), calls.at_most({"write_units": 2}):
        ask(calls, "dynamodb:TransactWriteItems")
        calls.consumed(4.0, 0.0)
        calls.consumed(0.0, 2.0)
    assert calls.units == (4.5, 3.0)
    assert (calls.units.read, calls.units.write) == (4.5, 3.0)


def test_units_that_are_exceeded_name_the_calls_of_the_block() -> None:
    calls = Calls()
    sentence = "2.5 read_units were consumed, not at most 1: Query 2, GetItem 1"

    def exceed() -> None:
        with calls.at_most(read_units=1):
            ask(calls, "dynamodb:Query", "dynamodb:Query", "dynamodb:GetItem")
            calls.consumed(2.5, 0.0)

    with pytest.raises(AssertionError, match=sentence):
        exceed()


def test_the_error_of_the_block_is_not_hidden_by_its_budget() -> None:
    calls = Calls()

    def exceed_and_fail() -> None:
        with calls.at_most(dynamodb=0):
            ask(calls, "dynamodb:Query")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exceed_and_fail()


def test_retries_and_the_time_they_would_have_waited_add_up() -> None:
    calls = Calls()
    calls.waited(0.5)
    calls.waited(1.0)
    assert (calls.retries, calls.backoff) == (2, 1.5)


@pytest.mark.parametrize(("calls", "kept"), [(Calls(), 1), (Uncounted(), 0)], ids=["of a test", "of what runs on"])
def test_what_runs_for_as_long_as_it_likes_keeps_nothing_of_its_calls(calls: Calls, kept: int) -> None:
    call = Call("dynamodb", "Query")
    calls.asked(call)
    calls.attempted(Attempt(0.0, call, "200"))
    calls.waited(0.5)
    calls.was_blocked(BlockedCall("ses", "SendEmail", "nothing emulates it."))
    calls.consumed(1.0, 1.0)
    assert (calls.units.read, calls.units.write) == (kept, kept)
    assert [len(calls), len(calls.attempts), calls.retries, len(calls.blocked)] == [kept] * 4
    assert (calls.count("dynamodb"), calls.backoff) == (kept, 0.5 * kept)


# --- denials

ROOMS = "arn:aws:dynamodb:us-east-1:123456789012:table/rooms"
LOBBY = {"TableName": "rooms", "Key": {"name": {"S": "lobby"}}}


def asked(operation: str, **parameters: Any) -> Asked:
    return Asked("dynamodb", operation, parameters, "us-east-1", "https://dynamodb.us-east-1.amazonaws.com/")


READ = Call("dynamodb", "GetItem", "api_handler", asked=asked("GetItem", **LOBBY))
WRITE = Call("dynamodb", "PutItem", "websocket_message", asked=asked("PutItem", TableName="rooms", Item={}))
PARTS = [{"Put": {"TableName": "rooms", "Item": {}}}, {"Delete": LOBBY}]
BOTH = Call("dynamodb", "TransactWriteItems", asked=asked("TransactWriteItems", TransactItems=PARTS))


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    (tmp_path / "read.json").write_text(
        json.dumps({"Statement": {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}})
    )
    calls = Calls(tmp_path, functions=lambda: {"api_handler", "websocket_message", "sweep"})
    for call in (READ, WRITE, WRITE, BOTH):
        calls.asked(call)
    return calls


def test_each_denial_is_told_once_with_its_call_its_action_its_resource_its_function_and_the_reason(
    calls: Calls,
) -> None:
    no = "no statement allows it"
    assert calls.denied_by("read.json") == [
        Denial("dynamodb:PutItem", "websocket_message", "dynamodb:PutItem", ROOMS, no),
        Denial("dynamodb:TransactWriteItems", None, "dynamodb:PutItem", ROOMS, no),
        Denial("dynamodb:TransactWriteItems", None, "dynamodb:DeleteItem", ROOMS, no),
    ]


def test_a_denial_reads_as_a_sentence(calls: Calls) -> None:
    first, second, _ = calls.denied_by("read.json")
    assert repr(first) == f"websocket_message: dynamodb:PutItem on {ROOMS}: no statement allows it"
    assert str(second) == (
        f"outside of a function: dynamodb:TransactWriteItems needs dynamodb:PutItem on {ROOMS}: no statement allows it"
    )
    assert str(Denial("s3:ListBuckets", "f", "s3:ListBuckets", None, "no")) == "f: s3:ListBuckets: no"


def test_the_calls_of_one_function_are_judged_alone(calls: Calls) -> None:
    assert not calls.denied_by("read.json", function="api_handler")
    assert not calls.denied_by("read.json", function="sweep")
    assert [denial.function for denial in calls.denied_by("read.json", "websocket_message")] == ["websocket_message"]


def test_a_function_that_there_is_not_is_a_sentence(calls: Calls) -> None:
    sentence = "there is no function api_handlr; there are: api_handler, sweep, websocket_message"
    with pytest.raises(SessionPluginError, match=sentence):
        calls.denied_by("read.json", function="api_handlr")


def test_a_policy_that_is_not_there_is_a_sentence_with_its_whole_path(calls: Calls, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no such file") as raised:
        calls.denied_by("missing.json")
    assert raised.value.path == tmp_path / "missing.json"
    calls.denied_by(tmp_path / "read.json")  # a whole path is one, too
