"""Queues, topics, buckets, streams and buses that moto is given, and how they give way to somebody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.moto.emulator import Emulator
from pytest_sessionplugin.aws.resources import Resource, Resources, Service, Subscription
from tests.aws.opened import opened

pytestmark = pytest.mark.emulator

ARN = "arn:aws:sqs:us-east-1:123456789012"
NEWS = "arn:aws:sns:us-east-1:123456789012:news"
REDRIVE = json.dumps({"deadLetterTargetArn": f"{ARN}:dead", "maxReceiveCount": 3})
RESOURCES = Resources(
    {
        "Work": Resource(Service.SQS, "work", {"VisibilityTimeout": "60", "RedrivePolicy": REDRIVE}),
        "Dead": Resource(Service.SQS, "dead"),
        "Fifo": Resource(Service.SQS, "work.fifo", {"FifoQueue": "true"}),
        "News": Resource(Service.SNS, "news", {"DisplayName": "News"}),
        "FifoNews": Resource(Service.SNS, "news.fifo", {"FifoTopic": "true"}),
        "Files": Resource(Service.S3, "files", {"Versioning": "Enabled"}),
        "Clicks": Resource(Service.KINESIS, "clicks", {"ShardCount": "2"}),
        "Bus": Resource(Service.EVENTS, "bus"),
        "Impossible": Resource(Service.SQS, "no such name!"),
        "Refused": Resource(Service.SQS, "refused", {"VisibilityTimeout": "long"}),
        "Short": Resource(Service.S3, "x"),
        "Slash": Resource(Service.EVENTS, "no/such"),
    },
    (Subscription(NEWS, f"{ARN}:work", {"RawMessageDelivery": "true"}),),
)


@pytest.fixture(scope="module")
def emulator() -> Emulator:
    return Emulator({}, resources=RESOURCES)


@pytest.fixture(autouse=True)
def aws(emulator: Emulator) -> Iterator[None]:
    with environment.applied(environment.neutral("us-east-1")), opened(emulator):
        yield


def queue(name: str = "work") -> str:
    return str(boto3.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])


def attribute(name: str, of: str = "work") -> str:
    got = boto3.client("sqs").get_queue_attributes(QueueUrl=queue(of), AttributeNames=[name])
    return str(got["Attributes"][name])


@pytest.mark.parametrize("time", [1, 2])
def test_each_opening_has_them_as_they_were_described(time: int) -> None:
    sqs, sns, s3 = boto3.client("sqs"), boto3.client("sns"), boto3.client("s3")
    assert (attribute("VisibilityTimeout"), json.loads(attribute("RedrivePolicy"))) == ("60", json.loads(REDRIVE))
    assert attribute("FifoQueue", "work.fifo") == "true"
    assert len(sqs.list_queues()["QueueUrls"]) == 3
    assert sns.get_topic_attributes(TopicArn=NEWS)["Attributes"]["DisplayName"] == "News"
    assert sns.get_topic_attributes(TopicArn=f"{NEWS}.fifo")["Attributes"]["FifoTopic"] == "true"
    sns.publish(TopicArn=NEWS, Message="hello")
    assert [each["Body"] for each in sqs.receive_message(QueueUrl=queue())["Messages"]] == ["hello"]
    assert s3.get_bucket_versioning(Bucket="files")["Status"] == "Enabled"
    s3.put_object(Bucket="files", Key="a", Body=b"a")
    stream = boto3.client("kinesis").describe_stream(StreamName="clicks")["StreamDescription"]
    assert len(stream["Shards"]) == 2
    assert boto3.client("events").describe_event_bus(Name="bus")["Name"] == "bus"


def test_what_is_there_is_left_and_what_is_named_later_is_made(emulator: Emulator) -> None:
    boto3.client("sqs").send_message(QueueUrl=queue(), MessageBody="kept")
    emulator.provide([Resource(Service.SQS, "work"), Resource(Service.SQS, "more")], "us-east-1")
    assert attribute("ApproximateNumberOfMessages") == "1"
    assert attribute("VisibilityTimeout", "more") == "30"


def test_a_queue_that_somebody_else_creates_wins() -> None:
    attributes: Any = {"VisibilityTimeout": "5", "MessageRetentionPeriod": "60"}
    boto3.client("sqs").create_queue(QueueName="work", Attributes=attributes)
    assert attribute("VisibilityTimeout") == "5"
    assert boto3.client("sqs").get_queue_attributes(QueueUrl=queue(), AttributeNames=["RedrivePolicy"]).get(
        "Attributes", {}
    ) in ({}, {"RedrivePolicy": ""})
    boto3.client("sns").publish(TopicArn=NEWS, Message="hello")
    assert attribute("ApproximateNumberOfMessages") == "1"


def test_a_queue_that_is_asked_for_by_its_name_is_the_one_that_is_there() -> None:
    assert boto3.client("sqs").create_queue(QueueName="work")["QueueUrl"] == queue()
    assert attribute("VisibilityTimeout") == "60"


def test_a_used_queue_and_one_of_somebody_else_do_not_give_way() -> None:
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=queue(), MessageBody="kept")
    sqs.create_queue(QueueName="own", Attributes={"VisibilityTimeout": "5"})
    sqs.create_queue(QueueName="dead", Attributes={"VisibilityTimeout": "5"})
    for name in ("work", "own", "dead"):
        with pytest.raises(ClientError, match="already exists"):
            sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "6"})
    assert attribute("ApproximateNumberOfMessages") == "1"


def test_a_topic_that_is_created_again_keeps_its_subscriptions_and_takes_attributes() -> None:
    sns = boto3.client("sns")
    assert sns.create_topic(Name="news", Attributes={"DisplayName": "Other"})["TopicArn"] == NEWS
    assert sns.get_topic_attributes(TopicArn=NEWS)["Attributes"]["DisplayName"] == "Other"
    fifo = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    arn = sns.create_topic(Name="news.fifo", Attributes=fifo)["TopicArn"]
    sns.publish(TopicArn=arn, Message="hello", MessageGroupId="a")
    sns.publish(TopicArn=NEWS, Message="hello")
    assert attribute("ApproximateNumberOfMessages") == "1"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_bucket_is_created_again_wherever_it_is(region: str) -> None:
    s3: Any = boto3.client("s3", region_name=region)
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket="files", ObjectLockEnabledForBucket=True, **where)
    assert s3.get_bucket_location(Bucket="files")["LocationConstraint"] == (None if not where else region)
    assert s3.get_object_lock_configuration(Bucket="files")["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"


def test_a_bucket_with_something_in_it_stays() -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket="files", Key="create", Body=b"a")
    s3.create_bucket(Bucket="files")
    assert s3.get_object(Bucket="files", Key="create")["Body"].read() == b"a"


def test_streams_and_buses_are_created_again_while_they_are_unused() -> None:
    kinesis, events = boto3.client("kinesis"), boto3.client("events")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    assert len(kinesis.describe_stream(StreamName="clicks")["StreamDescription"]["Shards"]) == 1
    events.create_event_bus(Name="bus")
    with pytest.raises(ClientError, match="ResourceInUseException"):
        kinesis.create_stream(StreamName="clicks", ShardCount=1)
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        events.create_event_bus(Name="bus")


def test_a_used_stream_does_not_give_way() -> None:
    kinesis = boto3.client("kinesis")
    kinesis.put_record(StreamName="clicks", Data=b"a", PartitionKey="a")
    with pytest.raises(ClientError, match="ResourceInUseException"):
        kinesis.create_stream(StreamName="clicks", ShardCount=1)
