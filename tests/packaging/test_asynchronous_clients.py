"""aiobotocore and s3fs in an app. Their versions of botocore are older than ours, so they have an environment of their
own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.environment import Environment

APP = """
import asyncio
from aiobotocore.session import get_session
from chalice import Chalice
from s3fs import S3FileSystem

app = Chalice(app_name="notes")


async def keep(word):
    async with get_session().create_client("dynamodb", endpoint_url="http://localhost:8000") as dynamodb:
        await dynamodb.put_item(TableName="notes", Item={"id": {"S": word}})
        return (await dynamodb.scan(TableName="notes"))["Count"]


async def copied(word):
    async with get_session().create_client("s3") as s3:
        await s3.put_object(Bucket="notes", Key=word, Body=word.encode())
        async with (await s3.get_object(Bucket="notes", Key=word))["Body"] as body:
            return (await body.read()).decode()


@app.route("/notes/{word}", methods=["POST"])
def note(word):
    return {"count": asyncio.run(keep(word)), "copy": asyncio.run(copied(word))}


@app.route("/files")
def files():
    disk = S3FileSystem()
    with disk.open("notes/b", "wb") as file:
        file.write(b"two")
    return {"files": sorted(disk.ls("notes")), "b": disk.cat("notes/b").decode()}
"""

TEMPLATE = """
{"Resources": {"Notes": {"Type": "AWS::DynamoDB::Table", "Properties": {
    "TableName": "notes", "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}}}}
"""

TESTS = """
import asyncio
import os
import boto3
import pytest
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import ClientError


async def made():
    return await get_session().create_client("dynamodb", region_name="us-east-1").__aenter__()


os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
EARLY = asyncio.run(made())  # where there are no credentials


def test_a_client_that_has_no_credentials(dynamodb_tables):
    assert asyncio.run(EARLY.scan(TableName="notes"))["Count"] == 0


@pytest.fixture
def bucket(aws_calls):
    boto3.client("s3").create_bucket(Bucket="notes")


def test_items_and_objects(chalice_gateway, bucket, dynamodb_tables, aws_calls):
    assert chalice_gateway.http().post("/notes/a").json() == {"count": 1, "copy": "a"}
    dynamodb_tables.assert_item("Notes", {"id": "a"})
    made = [str(call) for call in aws_calls if call.function == "api_handler"]
    assert made == ["dynamodb:PutItem", "dynamodb:Scan", "s3:PutObject", "s3:GetObject"]


def test_files(chalice_gateway, bucket):
    chalice_gateway.http().post("/notes/a")
    assert chalice_gateway.http().get("/files").json() == {"files": ["notes/a", "notes/b"], "b": "two"}


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_faults_meet_the_retries_of_the_sdk(aws_faults, dynamodb_tables, aws_calls, mode):
    async def scanned():
        async with get_session().create_client("dynamodb", config=Config(retries={"mode": mode})) as dynamodb:
            return await dynamodb.scan(TableName="notes")

    aws_faults.throttled("dynamodb:Scan", times=1)
    aws_faults.unreachable("dynamodb:Scan", times=1)
    assert asyncio.run(scanned())["Count"] == 0
    assert (aws_calls.count("dynamodb:Scan"), aws_calls.retries) == (1, 2)
    with aws_faults.throttled("dynamodb:Scan"), pytest.raises(ClientError, match="reached max retries"):
        asyncio.run(scanned())


@pytest.mark.parametrize(
    ("service", "operation"),
    [("sqs", "list_queues"), ("sns", "list_topics"), ("lambda", "list_functions"), ("ec2", "describe_vpcs")],
)
def test_each_protocol(aws_calls, service, operation):
    async def asked():
        async with get_session().create_client(service) as client:
            return await getattr(client, operation)()

    assert asyncio.run(asked())["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_poll_leaves_the_loop_to_others(aws_calls):
    async def polled():
        async with get_session().create_client("sqs") as sqs:
            queue = (await sqs.create_queue(QueueName="jobs"))["QueueUrl"]
            poll = asyncio.ensure_future(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20))
            await asyncio.sleep(0.1)
            await sqs.send_message(QueueUrl=queue, MessageBody="job")
            return (await asyncio.wait_for(poll, 10))["Messages"][0]["Body"]

    assert asyncio.run(polled()) == "job"
"""


@pytest.fixture(scope="module")
def asynchronous(folder: Path, plain: Environment) -> Environment:
    environment = Environment(folder / "asynchronous", plain)
    environment.install("aiobotocore", "s3fs")
    return environment


def test_asynchronous_clients_are_answered_counted_and_retried(asynchronous: Environment, tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "notes"}')
    (tmp_path / ".chalice" / "resources.json").write_text(TEMPLATE)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "test_it.py").write_text(TESTS)
    run = asynchronous.pytest(cwd=tmp_path)
    assert run.outcomes == {"passed": 10}, run.output
