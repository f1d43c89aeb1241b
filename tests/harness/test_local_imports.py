"""An app that makes things in AWS when it is imported finds them, and only them, in each test, in any order."""

from __future__ import annotations

import pytest

from tests.strangers import Stranger, write_project

APP = """
import io
import os

import boto3
from chalice import Chalice

app = Chalice(app_name="made")
dynamodb = boto3.resource("dynamodb")
s3, sqs, sns, ssm, secrets, cognito = map(boto3.client, ("s3", "sqs", "sns", "ssm", "secretsmanager", "cognito-idp"))

notes = dynamodb.Table("notes")
try:
    notes.load()
except notes.meta.client.exceptions.ResourceNotFoundException:
    notes = dynamodb.create_table(
        TableName="notes",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    notes.wait_until_exists()
    notes.put_item(Item={"id": "made"})
dynamodb.Table(os.environ["ROOMS_TABLE"]).put_item(Item={"name": "made"})
s3.create_bucket(Bucket="files")
s3.put_object(Bucket="files", Key="made", Body=io.BytesIO(b"a stream"))
queue = sqs.create_queue(QueueName="jobs")["QueueUrl"]
sqs.send_message(QueueUrl=queue, MessageBody="made")
topic = sns.create_topic(Name="news")["TopicArn"]
subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:jobs",
                             ReturnSubscriptionArn=True)["SubscriptionArn"]
ssm.put_parameter(Name="/made/key", Value=os.environ.get("KEY", "usual"), Type="String", Overwrite=True)
secret = secrets.create_secret(Name="made", SecretString="open sesame")["ARN"]
pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]


@app.route("/")
def index():
    count = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    return {
        "notes": [row["id"] for row in notes.scan()["Items"]],
        "rooms": sorted(row["name"] for row in dynamodb.Table(os.environ["ROOMS_TABLE"]).scan()["Items"]),
        "files": [s3.get_object(Bucket="files", Key=each["Key"])["Body"].read().decode()
                  for each in s3.list_objects_v2(Bucket="files")["Contents"]],
        "jobs": count["ApproximateNumberOfMessages"],
        "subscribed": sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]["Protocol"],
        "key": ssm.get_parameter(Name="/made/key")["Parameter"]["Value"],
        "secret": secrets.get_secret_value(SecretId=secret)["SecretString"],
        "pool": cognito.describe_user_pool(UserPoolId=pool)["UserPool"]["Name"],
    }


@app.route("/", methods=["POST"])
def change():
    notes.put_item(Item={"id": "later"})
    dynamodb.Table(os.environ["ROOMS_TABLE"]).put_item(Item={"name": "later"})
    s3.put_object(Bucket="files", Key="later", Body=b"2")
    sqs.send_message(QueueUrl=queue, MessageBody="later")
    sns.unsubscribe(SubscriptionArn=subscription)
    ssm.put_parameter(Name="/made/key", Value="later", Type="String", Overwrite=True)
    secrets.put_secret_value(SecretId=secret, SecretString="later")
    cognito.delete_user_pool(UserPoolId=pool)
"""

TESTS = """
import boto3
import pytest

MADE = {"notes": ["made"], "rooms": ["made"], "files": ["a stream"], "jobs": "1", "subscribed": "sqs", "key": "usual",
        "secret": "open sesame", "pool": "people"}


def look_and_change(gateway, **other):
    assert gateway.http().get("/").json() == {**MADE, **other}
    assert gateway.http().post("/").status_code == 200


def buckets():
    return [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]


@pytest.fixture
def mine(aws_calls, dynamodb_tables):
    boto3.client("s3").create_bucket(Bucket="mine")
    dynamodb_tables["Rooms"].put_item(Item={"name": "mine"})


def test_the_app(chalice_gateway):
    assert buckets() == ["files"]
    look_and_change(chalice_gateway)


def test_again(chalice_gateway):
    look_and_change(chalice_gateway)


def test_after_calls_of_a_fixture(mine, chalice_gateway):
    assert sorted(buckets()) == ["files", "mine"]
    look_and_change(chalice_gateway, rooms=["made", "mine"])


def test_late(mine, request):
    assert buckets() == ["mine"]
    look_and_change(request.getfixturevalue("chalice_gateway"), rooms=["made", "mine"])
    assert sorted(buckets()) == ["files", "mine"]


def test_the_object_alone(chalice_app):
    assert buckets() == ["files"]


def test_without_the_app(dynamodb_tables):
    assert buckets() == []
    assert dynamodb_tables["Rooms"].scan()["Count"] == 0


@pytest.mark.chalice(fresh=True)
def test_fresh(chalice_gateway):
    look_and_change(chalice_gateway)


@pytest.mark.chalice(env={"KEY": "marked"})
def test_marked(chalice_gateway):
    look_and_change(chalice_gateway, key="marked")


def test_its_calls_are_counted(chalice_gateway, aws_calls):
    assert aws_calls.count("dynamodb:CreateTable") == aws_calls.count("s3:CreateBucket") == 1
"""

ROWS = """
import pytest
from test_made import look_and_change


@pytest.fixture(scope="session")
def dynamodb_seed():
    return {"Rooms": [{"name": "row"}]}


@pytest.mark.parametrize("time", [1, 2])
def test_rows(chalice_gateway, time):
    look_and_change(chalice_gateway, rooms=["made", "row"])
"""

ORDER = """
def pytest_collection_modifyitems(items):
    {change}
"""


@pytest.mark.parametrize(
    ("target", "change"),
    [
        pytest.param("sockets", "pass", id="as written, on sockets"),
        pytest.param("inprocess", "items.reverse()", id="backwards"),
        pytest.param("inprocess", "items.sort(key=lambda item: item.name != 'test_late')", id="late first"),
        pytest.param("inprocess", "items.sort(key=lambda item: 'fixture' not in item.name)", id="fixture first"),
    ],
)
def test_each_test_finds_what_the_import_made_in_whatever_order(stranger: Stranger, target: str, change: str) -> None:
    write_project(stranger.root, APP)
    run = stranger.test(
        f"--sessionplugin-target={target}", conftest=ORDER.format(change=change), test_made=TESTS, test_rows=ROWS
    )
    run.assert_outcomes(passed=11)


def test_a_test_alone_finds_it_as_well(stranger: Stranger) -> None:
    write_project(stranger.root, APP)
    stranger.test("-k", "test_again", test_made=TESTS).assert_outcomes(passed=1, deselected=8)


NEEDS = """
import boto3
from chalice import Chalice

app = Chalice(app_name="needs")
boto3.client("s3").create_bucket(Bucket="files")
KEY = boto3.client("ssm").get_parameter(Name="/key")["Parameter"]["Value"]


@app.route("/")
def index():
    return {"key": KEY}
"""


def test_an_app_that_needs_what_a_fixture_makes_is_imported_after_it(stranger: Stranger) -> None:
    write_project(stranger.root, NEEDS)
    run = stranger.test(
        test_needs="""
        import boto3
        import pytest

        @pytest.fixture
        def key(aws_calls):
            assert boto3.client("s3").list_buckets()["Buckets"] == []
            boto3.client("ssm").put_parameter(Name="/key", Value="open sesame", Type="String")

        def test_without_it(chalice_gateway):
            pass

        def test_fixture(key, chalice_gateway):
            assert chalice_gateway.http().get("/").json() == {"key": "open sesame"}

        def test_once_it_is_imported_all_have_what_it_made(aws_calls, chalice_gateway):
            assert [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]] == ["files"]
            assert boto3.client("ssm").get_parameters(Names=["/key"])["Parameters"] == []
        """
    )
    run.assert_outcomes(passed=2, errors=1)
    run.stdout.fnmatch_lines(["*importing app of * raised ParameterNotFound*"])


def test_variables_that_an_import_sets_are_there_in_each_test_and_in_no_other(stranger: Stranger) -> None:
    """As load_dotenv does."""
    (stranger.root / "app.py").write_text(
        """
import os
from chalice import Chalice

app = Chalice(app_name="x")
os.environ.setdefault("WHO", "import")
del os.environ["GREETING"]


@app.route("/")
def index():
    return [os.environ.get(name) for name in ("WHO", "GREETING")]
"""
    )
    body = """
        import os
        import pytest

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        @pytest.mark.parametrize("time", ["first", "second"])
        def test_it(chalice_gateway, time):
            assert chalice_gateway.http().get("/").json() == ["import", None]

        def test_a_test_may_set_it_before(monkeypatch, aws_calls, request):
            monkeypatch.setenv("WHO", "test")
            gateway = request.getfixturevalue("chalice_gateway")
            assert gateway.http().get("/").json() == ["test", None]

        def test_a_test_may_set_it_afterwards(monkeypatch, chalice_gateway):
            monkeypatch.setenv("WHO", "test")
            assert chalice_gateway.http().get("/").json() == ["test", None]

        @pytest.mark.chalice(env={"WHO": "mark"})
        def test_a_mark_may_set_it(chalice_gateway):
            assert chalice_gateway.http().get("/").json() == ["mark", None]

        def test_others_do_not_see_it():
            assert "WHO" not in os.environ and "GREETING" not in os.environ
    """
    stranger.test(test_it=body).assert_outcomes(passed=8)
