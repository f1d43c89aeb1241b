"""What the app did, held against a policy: each denial once, by the function that met it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_sessionplugin.aws.calls import Call, Calls, Denial
from pytest_sessionplugin.aws.iam import Need
from pytest_sessionplugin.errors import PolicyError, SessionPluginError

ROOMS = "arn:aws:dynamodb:us-east-1:123456789012:table/rooms"
READ = Call("dynamodb", "GetItem", "api_handler", (Need("dynamodb:GetItem", ROOMS),))
WRITE = Call("dynamodb", "PutItem", "websocket_message", (Need("dynamodb:PutItem", ROOMS),))
BOTH = Call(
    "dynamodb", "TransactWriteItems", None, (Need("dynamodb:PutItem", ROOMS), Need("dynamodb:DeleteItem", ROOMS))
)


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
