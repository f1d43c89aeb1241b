"""Queues, topics, buckets, streams and buses of a template, as they are to be made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.resources import Resource, Resources, Service, Subscription, described, named
from pytest_sessionplugin.aws.templates import PseudoParameters

STACK = PseudoParameters("shop-dev", "eu-west-1")


def read(root: Path, resources: dict[str, Any], parameters: dict[str, Any] | None = None) -> Resources:
    path = root / "resources.json"
    path.write_text(json.dumps({"Parameters": parameters or {}, "Resources": resources}))
    return described([path], STACK, {"Rooms": "rooms", "WebsocketAPI": "ws1"})


def one(kind: str, **properties: Any) -> dict[str, Any]:
    return {"It": {"Type": kind, "Properties": properties}}


@pytest.mark.parametrize(
    ("resource", "made"),
    [
        (one("AWS::SQS::Queue"), Resource(Service.SQS, "shop-dev-It")),
        (
            one("AWS::SQS::Queue", FifoQueue=True),
            Resource(Service.SQS, "shop-dev-It.fifo", {"FifoQueue": "true"}),
        ),
        (
            one("AWS::SQS::Queue", QueueName="orders", VisibilityTimeout=60, KmsMasterKeyId="none", Tags=[]),
            Resource(Service.SQS, "orders", {"VisibilityTimeout": "60"}),
        ),
        (
            one("AWS::SNS::Topic", DisplayName="News"),
            Resource(Service.SNS, "shop-dev-It", {"DisplayName": "News"}),
        ),
        (one("AWS::S3::Bucket"), Resource(Service.S3, "shop-dev-it")),
        (
            one("AWS::S3::Bucket", BucketName="files", VersioningConfiguration={"Status": "Enabled"}),
            Resource(Service.S3, "files", {"Versioning": "Enabled"}),
        ),
        (
            one("AWS::Kinesis::Stream", Name="clicks", ShardCount=2),
            Resource(Service.KINESIS, "clicks", {"ShardCount": "2"}),
        ),
        (one("AWS::Events::EventBus", Name="bus"), Resource(Service.EVENTS, "bus")),
        (
            one("AWS::SQS::Queue", QueueName={"Fn::Join": ["-", ["orders", {"Ref": "AWS::Region"}]]}),
            Resource(Service.SQS, "orders-eu-west-1"),
        ),
    ],
)
def test_a_resource_has_its_name_and_what_makes_a_difference(
    tmp_path: Path, resource: dict[str, Any], made: Resource
) -> None:
    found = read(tmp_path, resource)
    assert (found.made, found.not_made) == ({"It": made}, {})


def test_resources_refer_to_each_other(tmp_path: Path) -> None:
    dead = {"Fn::GetAtt": ["Dead", "Arn"]}
    found = read(
        tmp_path,
        {
            "Work": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"RedrivePolicy": {"deadLetterTargetArn": dead, "maxReceiveCount": 3}},
            },
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
            "News": {
                "Type": "AWS::SNS::Topic",
                "Properties": {
                    "TopicName": "news",
                    "Subscription": [
                        {"Protocol": "sqs", "Endpoint": {"Fn::GetAtt": "Dead.Arn"}},
                        {"Protocol": "email", "Endpoint": "a@example.com"},
                    ],
                },
            },
            "Told": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {
                    "TopicArn": {"Ref": "News"},
                    "Protocol": "sqs",
                    "Endpoint": {"Fn::Sub": "${Work.Arn}"},
                    "RawMessageDelivery": True,
                    "FilterPolicy": {"kind": ["new"]},
                },
            },
        },
    )
    arn = "arn:aws:sqs:eu-west-1:123456789012"
    policy = json.dumps({"deadLetterTargetArn": f"{arn}:dead", "maxReceiveCount": 3})
    assert found.made["Work"].attributes == {"RedrivePolicy": policy}
    news = "arn:aws:sns:eu-west-1:123456789012:news"
    attributes = {"FilterPolicy": '{"kind": ["new"]}', "RawMessageDelivery": "true"}
    assert found.subscriptions == (
        Subscription(news, f"{arn}:dead", {}),
        Subscription(news, f"{arn}:shop-dev-Work", attributes),
    )
    assert found.not_made == {}


@pytest.mark.parametrize(
    "name", [{"Fn::ImportValue": "x"}, {"Ref": "Stage"}, {"Fn::GetAtt": ["None", "Arn"]}, {"Fn::Join": "x"}, ["a"], {}]
)
def test_what_is_not_understood_is_not_made_and_breaks_nothing(tmp_path: Path, name: object) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}
    found = read(tmp_path, {"It": queue, "Other": {"Type": "AWS::SQS::Queue"}}, {"Stage": {"Type": "String"}})
    assert found.not_made == {"It": "AWS::SQS::Queue"}
    assert set(found.made) == {"Other"}


def test_a_function_has_the_variables_of_a_template_that_is_merged(tmp_path: Path) -> None:
    variables = {
        "TABLE": {"Ref": "Rooms"},
        "QUEUE": {"Ref": "Work"},
        "DOMAIN": {"Fn::Sub": "${WebsocketAPI}.execute-api.${AWS::Region}.amazonaws.com"},
        "LIMIT": 3,
        "POOL": {"Fn::GetAtt": ["Pool", "Arn"]},
    }
    found = read(
        tmp_path,
        {
            "APIHandler": {"Properties": {"Environment": {"Variables": variables}}},
            "Sweep": {"Type": "AWS::Serverless::Function", "Properties": {"Environment": {"Variables": {"A": "b"}}}},
            "Mail": {"Properties": {"Environment": {"Variables": ["A"]}}},
            "Other": {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Variables": {"A": "b"}}}},
            "Work": {"Type": "AWS::SQS::Queue"},
        },
    )
    assert found.variables == {
        "APIHandler": {
            "TABLE": "rooms",
            "QUEUE": "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-dev-Work",
            "DOMAIN": "ws1.execute-api.eu-west-1.amazonaws.com",
            "LIMIT": "3",
        },
        "Sweep": {"A": "b"},
    }


def test_types_that_hold_something_and_are_not_made_are_named_for_their_service(tmp_path: Path) -> None:
    types = ("SecretsManager::Secret", "Cognito::UserPool", "IAM::Role", "Lambda::Permission", "S3::BucketPolicy")
    found = read(tmp_path, {f"R{number}": {"Type": f"AWS::{kind}"} for number, kind in enumerate(types)})
    assert found.not_made == {"R0": "AWS::SecretsManager::Secret", "R1": "AWS::Cognito::UserPool"}
    told = "The template has R1 (AWS::Cognito::UserPool), which the plugin does not make: create it in `seed`, or in"
    assert str(found.left_out("cognito-idp")).startswith(told)
    assert found.left_out("s3") is None


@pytest.mark.parametrize("text", [{"Type": "Custom::Thing"}, {"Type": 3}, {}, "text"])
def test_other_resources_are_left_alone(tmp_path: Path, text: Any) -> None:
    assert read(tmp_path, {"It": text}) == Resources({}, (), {})


@pytest.mark.parametrize(
    ("service", "name", "resource"),
    [
        (Service.SQS, "orders", Resource(Service.SQS, "orders")),
        (
            Service.SQS,
            "arn:aws:sqs:eu-west-1:1:orders.fifo",
            Resource(Service.SQS, "orders.fifo", {"FifoQueue": "true"}),
        ),
        (
            Service.SNS,
            "arn:aws:sns:eu-west-1:1:news.fifo",
            Resource(Service.SNS, "news.fifo", {"FifoTopic": "true"}),
        ),
        (Service.KINESIS, "clicks", Resource(Service.KINESIS, "clicks")),
        (Service.S3, "files.fifo", Resource(Service.S3, "files.fifo")),
    ],
)
def test_a_decorator_gives_a_name_or_an_arn(service: Service, name: str, resource: Resource) -> None:
    assert named(service, name) == resource
