"""Snapshots of moto's data: whatever a service holds is there at each start, as it was, and never as a test left it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_sessionplugin.aws import environment
from tests.aws.opened import opened
from tests.aws.rooms import SPECS, client, names

pytestmark = pytest.mark.emulator


@pytest.fixture(autouse=True)
def neutral() -> Iterator[None]:
    with environment.applied(environment.neutral("us-east-1")):
        yield


class Bucket:
    """Objects with versions, and an upload of parts that is not complete."""

    def make(self) -> None:
        s3 = client("s3")
        s3.create_bucket(Bucket="files")
        s3.put_bucket_versioning(Bucket="files", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            s3.put_object(Bucket="files", Key="a", Body=body, Metadata={"made": "here"})
        s3.put_object(Bucket="files", Key="gone", Body=b"")
        s3.delete_object(Bucket="files", Key="gone")
        upload = s3.create_multipart_upload(Bucket="files", Key="b")["UploadId"]
        s3.upload_part(Bucket="files", Key="b", UploadId=upload, PartNumber=1, Body=b"part")

    def look(self) -> Any:
        s3 = client("s3")
        s3.create_bucket(Bucket="files")  # there already, so nothing changes
        listed = s3.list_object_versions(Bucket="files")
        versions = [each["VersionId"] for each in listed["Versions"] if each["Key"] == "a"]
        bodies = {s3.get_object(Bucket="files", Key="a", VersionId=each)["Body"].read() for each in versions}
        (upload,) = s3.list_multipart_uploads(Bucket="files")["Uploads"]
        parts = s3.list_parts(Bucket="files", Key="b", UploadId=upload["UploadId"])["Parts"]
        return bodies, s3.get_object(Bucket="files", Key="a")["Metadata"], len(listed["DeleteMarkers"]), len(parts)

    def change(self) -> None:
        s3 = client("s3")
        s3.put_object(Bucket="files", Key="a", Body=b"3")
        (upload,) = s3.list_multipart_uploads(Bucket="files")["Uploads"]
        s3.upload_part(Bucket="files", Key="b", UploadId=upload["UploadId"], PartNumber=2, Body=b"part")


class Queue:
    """Messages; a receive that waits needs a lock."""

    def make(self) -> None:
        client("sqs").create_queue(QueueName="jobs")
        self.send("first")

    def look(self) -> Any:
        got = client("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        bodies = [each["Body"] for each in got.get("Messages", ())]
        for each in got.get("Messages", ()):
            client("sqs").change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
            )
        return bodies

    def change(self) -> None:
        self.send("second")

    def send(self, body: str) -> None:
        client("sqs").send_message(QueueUrl=self.url, MessageBody=body)

    @property
    def url(self) -> str:
        return str(client("sqs").get_queue_url(QueueName="jobs")["QueueUrl"])


class Topic:
    """A topic with a queue that hears it: two services."""

    def make(self) -> None:
        queue = client("sqs").create_queue(QueueName="heard")["QueueUrl"]
        arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = client("sns").create_topic(Name="news")["TopicArn"]
        client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def look(self) -> Any:
        (topic,) = client("sns").list_topics()["Topics"]
        client("sns").publish(TopicArn=topic["TopicArn"], Message="hello")
        queue = client("sqs").get_queue_url(QueueName="heard")["QueueUrl"]
        heard = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        return [json.loads(each["Body"])["Message"] for each in heard]

    def change(self) -> None:
        client("sns").publish(TopicArn=client("sns").list_topics()["Topics"][0]["TopicArn"], Message="more")


class Simple:
    """Something with a name, a value and a way to change it."""

    def __init__(self, make: Callable[[], object], look: Callable[[], object], change: Callable[[], object]) -> None:
        self.make, self.look, self.change = make, look, change


def parameter(value: str) -> object:
    return client("ssm").put_parameter(Name="/a/key", Value=value, Type="String", Overwrite=True)


def parameters() -> object:
    later = client("ssm")
    assert later.get_parameters(Names=["/not/there"])["Parameters"] == []
    return later.get_parameters_by_path(Path="/a")["Parameters"][0]["Value"]


def pools() -> list[Any]:
    return list(client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"])


def decrypted() -> object:
    (key,) = client("kms").list_keys()["Keys"]
    secret = client("kms").encrypt(KeyId=key["KeyId"], Plaintext=b"a")["CiphertextBlob"]
    grants = client("kms").list_grants(KeyId=key["KeyId"])["Grants"]
    return client("kms").decrypt(CiphertextBlob=secret)["Plaintext"], len(grants)


def grant() -> object:
    (key,) = client("kms").list_keys()["Keys"]
    return client("kms").create_grant(
        KeyId=key["KeyId"], GranteePrincipal="arn:aws:iam::123456789012:role/r", Operations=["Decrypt"], Name="g"
    )


def record() -> object:
    return client("kinesis").put_record(StreamName="clicks", Data=b"1", PartitionKey="a")


def records() -> object:
    iterator = client("kinesis").get_shard_iterator(
        StreamName="clicks", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return [each["Data"] for each in client("kinesis").get_records(ShardIterator=iterator)["Records"]]


SERVICES: dict[str, Any] = {
    "s3": Bucket(),
    "sqs": Queue(),
    "sns": Topic(),
    "ssm": Simple(lambda: parameter("first"), parameters, lambda: parameter("second")),
    "secretsmanager": Simple(
        lambda: client("secretsmanager").create_secret(Name="s", SecretString="first"),
        lambda: client("secretsmanager").get_secret_value(SecretId="s")["SecretString"],
        lambda: client("secretsmanager").put_secret_value(SecretId="s", SecretString="second"),
    ),
    "kms": Simple(lambda: client("kms").create_key(), decrypted, grant),
    "cognito-idp": Simple(
        lambda: client("cognito-idp").create_user_pool(PoolName="people"),
        lambda: [each["Name"] for each in pools()],
        lambda: client("cognito-idp").delete_user_pool(UserPoolId=pools()[0]["Id"]),
    ),
    "kinesis": Simple(
        lambda: (client("kinesis").create_stream(StreamName="clicks", ShardCount=1), record()), records, record
    ),
    "ecr": Simple(
        lambda: client("ecr").create_repository(repositoryName="images"),
        lambda: [each["repositoryName"] for each in client("ecr").describe_repositories()["repositories"]],
        lambda: client("ecr").delete_repository(repositoryName="images"),
    ),
}


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_seed_made_is_there_at_each_start_as_it_was(service: str) -> None:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    here, emulator, seen = SERVICES[service], Emulator({}), []
    for _ in range(3):
        with opened(emulator, seed=here.make):
            seen.append(here.look())
            here.change()
            assert here.look() != seen[-1]
    assert seen == [seen[0]] * 3


def test_a_seed_runs_once() -> None:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    runs: list[int] = []
    emulator = Emulator(SPECS)
    for _ in range(2):
        with opened(emulator, seed=lambda: runs.append(1)) as aws:
            assert names(aws) == set()
    assert runs == [1]


def test_buckets_of_a_mock_around_it_are_not_in_the_way_and_come_back() -> None:
    from moto import mock_aws

    from pytest_sessionplugin.aws.moto.emulator import Emulator

    with mock_aws():
        client("s3").create_bucket(Bucket="files")
        client("s3").put_object(Bucket="files", Key="a", Body=b"theirs")
        with opened(Emulator({}), seed=Bucket().make):
            assert client("s3").get_object(Bucket="files", Key="a")["Body"].read() == b"2"
        assert [each["Name"] for each in client("s3").list_buckets()["Buckets"]] == ["files"]
        client("s3").put_object(Bucket="files", Key="b", Body=b"theirs")
