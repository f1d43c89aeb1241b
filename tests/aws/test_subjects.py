"""A call says which table and key, queue, topic, object, parameter or function it is about."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.calls import Attempt, Call
from pytest_sessionplugin.aws.iam import Asked
from pytest_sessionplugin.aws.subjects import Subject, listed, subjects

LOBBY = {"name": {"S": "lobby"}}
ATTIC = {"name": {"S": "attic"}}
KEYS = {"rooms": ("name",), "members": ("room", "joined")}


def call(service: str, operation: str, **parameters: Any) -> Call:
    url = f"https://{service}.us-east-1.amazonaws.com/"
    return Call(service, operation, asked=Asked(service, operation, parameters, "us-east-1", url, KEYS))


@pytest.mark.parametrize(
    ("operation", "parameters", "said"),
    [
        ("GetItem", {"TableName": "rooms", "Key": LOBBY}, "rooms {name: lobby}"),
        ("PutItem", {"TableName": "rooms", "Item": {**LOBBY, "people": {"N": "2"}}}, "rooms {name: lobby}"),
        ("PutItem", {"TableName": "unknown", "Item": LOBBY}, "unknown"),
        (
            "DeleteItem",
            {"TableName": "members", "Key": {"room": {"S": "a"}, "joined": {"N": "1.5"}}},
            "members {room: a, joined: 1.5}",
        ),
        (
            "Query",
            {
                "TableName": "rooms",
                "IndexName": "by-owner",
                "KeyConditionExpression": "#n0 = :v0",
                "ExpressionAttributeNames": {"#n0": "owner"},
                "ExpressionAttributeValues": {":v0": {"S": "alice"}},
            },
            "rooms/by-owner owner = 'alice'",
        ),
        ("Scan", {"TableName": "arn:aws:dynamodb:us-east-1:123456789012:table/rooms"}, "rooms"),
        (
            "BatchGetItem",
            {"RequestItems": {"rooms": {"Keys": [LOBBY, ATTIC]}}},
            "rooms {name: lobby}, rooms {name: attic}",
        ),
        (
            "BatchWriteItem",
            {"RequestItems": {"rooms": [{"PutRequest": {"Item": LOBBY}}, {"DeleteRequest": {"Key": ATTIC}}]}},
            "rooms {name: lobby}, rooms {name: attic}",
        ),
        (
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Update": {"TableName": "rooms", "Key": LOBBY}},
                    {"Put": {"TableName": "x", "Item": {}}},
                ]
            },
            "rooms {name: lobby}, x",
        ),
        ("ExecuteStatement", {"Statement": 'SELECT * FROM "rooms"."by-owner"'}, "rooms/by-owner"),
        ("ListTables", {}, ""),
        ("GetItem", {"TableName": "rooms", "Key": "lobby"}, ""),
        ("GetItem", {"TableName": 7}, ""),
    ],
)
def test_a_call_of_dynamodb_has_its_tables_and_keys(operation: str, parameters: Any, said: str) -> None:
    assert listed(call("dynamodb", operation, **parameters).subjects) == said


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "said"),
    [
        ("sqs", "SendMessage", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/orders"}, "orders"),
        ("sns", "Publish", {"TopicArn": "arn:aws:sns:us-east-1:123456789012:news"}, "news"),
        ("s3", "PutObject", {"Bucket": "pictures", "Key": "a/b.png"}, "pictures/a/b.png"),
        ("s3", "CopyObject", {"Bucket": "to", "Key": "b", "CopySource": "from/a"}, "from/a, to/b"),
        ("ssm", "GetParameters", {"Names": ["/chat/limit", "/chat/motto"]}, "/chat/limit, /chat/motto"),
        ("secretsmanager", "GetSecretValue", {"SecretId": "chat"}, "chat"),
        ("lambda", "Invoke", {"FunctionName": "chat-dev-sweep"}, "chat-dev-sweep"),
        ("events", "PutEvents", {"Entries": [{}, {"EventBusName": "orders"}]}, "default, orders"),
        ("kinesis", "PutRecord", {"StreamName": "clicks"}, "clicks"),
        ("sts", "GetCallerIdentity", {}, ""),
    ],
)
def test_a_call_of_another_service_has_its_resources(service: str, operation: str, parameters: Any, said: str) -> None:
    assert listed(call(service, operation, **parameters).subjects) == said


def test_one_item_is_the_table_and_the_key_of_a_call() -> None:
    get = call("dynamodb", "GetItem", TableName="rooms", Key=LOBBY)
    assert (get.table, get.key, get.parameters) == ("rooms", {"name": "lobby"}, {"TableName": "rooms", "Key": LOBBY})
    both = call("dynamodb", "BatchGetItem", RequestItems={"rooms": {"Keys": [LOBBY, ATTIC]}})
    assert (both.table, both.key) == ("rooms", None)
    assert (call("sqs", "SendMessage", QueueUrl="x/orders").table, Call("dynamodb", "GetItem").table) == (None, None)


def test_of_many_the_first_few_are_shown() -> None:
    assert listed([Subject(name) for name in "abcde"]) == "a, b, c and 2 more"
    assert str(Subject("rooms", {"name": "x" * 200})).endswith("x…")


def test_a_call_prints_itself_with_its_function_and_without_credentials() -> None:
    asked = Asked("dynamodb", "GetItem", {"TableName": "t", "Key": {"id": {"S": "Bearer s3cr3t-0123456789"}}}, "", "")
    made = Call("dynamodb", "GetItem", "api_handler", asked=asked)
    assert repr(made) == "<Call dynamodb:GetItem t {id: Bearer …} by api_handler>"
    assert str(Attempt(1.0, made, "200")) == "dynamodb:GetItem t {id: Bearer …} -> 200"
    jwt = f"eyJ{'a' * 40}.eyJ{'b' * 400}.c"
    assert str(Subject("t", {"id": jwt, "ticket": "s3cr3t-0123456789"})) == "t {id: eyJ…, ticket: s3c…}"
    assert str(Attempt(1.0, Call("sts", "GetCallerIdentity"), "200")) == "sts:GetCallerIdentity -> 200"


def test_the_parameters_are_those_of_the_moment_of_the_call() -> None:
    given = {"TableName": "rooms", "Key": {"name": {"S": "lobby"}}}
    asked = Asked.of("dynamodb", "GetItem", given, "us-east-1", "", KEYS)
    given["Key"]["name"]["S"] = "attic"  # type: ignore[index]
    assert subjects(asked) == (Subject("rooms", {"name": "lobby"}),)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({"N": "12"}, 12),
        ({"N": "0.1"}, 0.1),
        ({"B": b"x"}, b"x"),
        ({"BOOL": True}, True),
        ({"NULL": True}, None),
        ({"L": [{"S": "a"}]}, ["a"]),
        ({"M": {"a": {"NS": ["1"]}}}, {"a": {1}}),
        ({"SS": ["a"]}, {"a"}),
    ],
)
def test_a_key_is_in_plain_python(held: Any, expected: Any) -> None:
    assert call("dynamodb", "GetItem", TableName="rooms", Key={"k": held}).key == {"k": expected}
