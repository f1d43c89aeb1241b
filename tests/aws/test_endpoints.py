"""A call is answered by its service, operation and region, wherever its client was told to send it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pytest_sessionplugin.aws import endpoints
from pytest_sessionplugin.errors import BlockedCall
from tests.aws.opened import Opened
from tests.aws.rooms import client
from tests.strangers import Stranger

DYNAMODB = [
    "http://127.0.0.1:8000",
    "http://localhost:4566",
    "http://dynamodb:8000",
    "https://dynamodb-fips.us-east-1.amazonaws.com",
    "https://vpce-0a1b-2c3d.dynamodb.us-east-1.vpce.amazonaws.com",
    "https://123456789012.ddb.us-east-1.amazonaws.com",
    "https://tables.example.com/",
]
BLOCKED = {"BlockPublicAcls": True}
S3 = ["http://localhost:4566", "http://s3.localhost.localstack.cloud:4566", "http://127.0.0.1:9000"]
S3 += ["https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", "https://nyc3.digitaloceanspaces.com"]


@pytest.mark.parametrize(
    "host",
    [
        "dynamodb.us-east-1.amazonaws.com",
        "S3.AMAZONAWS.COM:443",
        "sns.cn-north-1.amazonaws.com.cn",
        "a1b2c3.lambda-url.eu-west-1.on.aws",
        "pool.auth.us-east-1.amazoncognito.com",
        "dynamodb.eu-west-1.api.aws.",
    ],
)
def test_a_host_in_a_domain_of_aws_is_aws(host: str) -> None:
    assert endpoints.is_aws(host)


@pytest.mark.parametrize("host", ["localhost:4566", "amazonaws.com.example.com", "notamazonaws.com", "aws.amazon.com"])
def test_a_host_that_only_looks_like_one_is_not(host: str) -> None:
    assert not endpoints.is_aws(host)


@pytest.mark.parametrize(
    ("prefix", "region", "host"),
    [
        ("sts", "us-east-1", "sts.us-east-1.amazonaws.com"),
        ("iam", "eu-west-1", "iam.amazonaws.com"),
        ("dynamodb", "cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn"),
        ("dynamodb", "zz-nowhere-1", "dynamodb.zz-nowhere-1.amazonaws.com"),
        ("dynamodb", "local", "dynamodb.local.amazonaws.com"),
    ],
)
def test_a_service_has_its_own_host_in_each_region(prefix: str, region: str, host: str) -> None:
    assert endpoints.endpoint_host(prefix, region) == host


@pytest.mark.parametrize(
    ("host", "bucket", "region"),
    [
        ("s3.amazonaws.com", None, "us-east-1"),
        ("a.s3.b.s3-eu-west-1.amazonaws.com", "a.s3.b", "eu-west-1"),
        ("b.s3-accelerate.amazonaws.com", "b", "us-east-1"),
        ("s3.us-gov-west-1.amazonaws.com", None, "us-gov-west-1"),
        ("b.s3.cn-north-1.amazonaws.com.cn", "b", "cn-north-1"),
    ],
)
def test_a_host_of_s3_names_bucket_and_region(host: str, bucket: str | None, region: str) -> None:
    assert endpoints.s3_place(host) == endpoints.S3Place(bucket, region)


@pytest.mark.parametrize("host", ["1.s3-control.us-east-1.amazonaws.com", "s3tables.us-east-1.amazonaws.com", "sqs.x"])
def test_other_hosts_are_not_of_s3(host: str) -> None:
    assert endpoints.s3_place(host) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "::1", "::", socket.gethostname()])
def test_this_machine_may_be_reached_whatever_the_setting(host: str) -> None:
    assert endpoints.why_not(host, other_hosts=False) is None


@pytest.mark.parametrize("host", ["api.example.com", "10.0.0.1", "2001:db8::1", "localhost.example.com"])
def test_other_hosts_may_be_reached_unless_the_setting_refuses_them(host: str) -> None:
    assert endpoints.why_not(host, other_hosts=True) is None
    sentence = endpoints.why_not(host, other_hosts=False)
    assert str(sentence).startswith("other_hosts = false in [tool.sessionplugin].")


@pytest.mark.parametrize("other_hosts", [True, False])
def test_a_host_of_aws_may_never_be_reached(other_hosts: bool) -> None:
    sentence = endpoints.why_not("dynamodb.us-east-1.amazonaws.com", other_hosts=other_hosts)
    assert str(sentence).startswith("it would leave the process.")


@pytest.mark.parametrize("host", ["169.254.169.254", "[FD00:EC2::254]", "fd00:ec2::254%eth0", "169.254.170.23"])
def test_metadata_of_a_machine_are_not_there(host: str) -> None:
    with pytest.raises(ConnectionRefusedError, match=r"a Lambda function has no metadata of a machine"):
        endpoints.check_metadata(host)
    endpoints.check_metadata("169.254.1.1")


@pytest.mark.emulator
@pytest.mark.parametrize("url", DYNAMODB)
def test_a_table_is_read_at_any_endpoint(aws: Opened, url: str) -> None:
    assert client(endpoint_url=url).scan(TableName="rooms")["Count"] == 1
    assert [str(call) for call in aws.calls] == ["dynamodb:Scan"]
    [attempt] = aws.calls.attempts
    assert attempt.outcome == "200"


@pytest.mark.emulator
@pytest.mark.parametrize("options", [{"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}])
def test_a_table_is_read_at_endpoints_of_a_setting(aws: Opened, options: dict[str, Any]) -> None:
    from botocore.config import Config

    assert client(config=Config(**options)).scan(TableName="rooms")["Count"] == 1


@pytest.mark.emulator
def test_the_region_is_the_clients(aws: Opened) -> None:
    far = client(endpoint_url="http://localhost:4566", region_name="eu-west-1")
    assert far.list_tables()["TableNames"] == []
    assert client(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com").list_tables()["TableNames"] != []


@pytest.mark.emulator
def test_a_region_that_aws_does_not_have_is_named(aws: Opened) -> None:
    with pytest.raises(
        BlockedCall, match=r"dynamodb:ListTables was blocked: AWS has no region local\. Leave region_name"
    ):
        client(endpoint_url="http://localhost:8000", region_name="local").list_tables()
    with pytest.raises(BlockedCall, match=r"AWS has no region dummy\."):
        client("sqs", endpoint_url="http://localhost:4566", region_name="dummy").list_queues()


@pytest.mark.emulator
@pytest.mark.parametrize("style", ["auto", "path", "virtual"])
@pytest.mark.parametrize("url", S3)
def test_a_bucket_is_found_in_front_of_any_endpoint_and_in_its_path(aws: Opened, url: str, style: Any) -> None:
    from botocore.config import Config

    client("s3").create_bucket(Bucket="uploads")
    s3 = client("s3", endpoint_url=url, config=Config(s3={"addressing_style": style}))
    s3.put_object(Bucket="uploads", Key="a/b c", Body=b"x")
    assert s3.get_object(Bucket="uploads", Key="a/b c")["Body"].read() == b"x"
    assert [each["Key"] for each in client("s3").list_objects_v2(Bucket="uploads")["Contents"]] == ["a/b c"]


@pytest.mark.emulator
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_a_url_that_is_signed_in_advance_leads_to_aws(aws: Opened, style: Any) -> None:
    from botocore.config import Config

    s3 = client("s3", endpoint_url="http://localhost:4566", config=Config(s3={"addressing_style": style}))
    place = (
        "https://s3.us-east-1.amazonaws.com/uploads"
        if style == "path"
        else "https://uploads.s3.us-east-1.amazonaws.com"
    )
    assert s3.generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": "a"}).startswith(f"{place}/a?")
    assert s3.generate_presigned_post("uploads", "a")["url"].rstrip("/") == place


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("sqs", "list_queues", {}),
        ("sns", "list_topics", {}),
        ("ssm", "describe_parameters", {}),
        ("iam", "list_users", {}),
        ("sts", "get_caller_identity", {}),
        ("dynamodbstreams", "list_streams", {}),
        ("lambda", "list_functions", {}),
        (
            "s3control",
            "put_public_access_block",
            {"AccountId": "123456789012", "PublicAccessBlockConfiguration": BLOCKED},
        ),
        ("servicediscovery", "list_namespaces", {}),
    ],
)
def test_each_service_is_answered(aws: Opened, service: str, operation: str, parameters: dict[str, Any]) -> None:
    answer = getattr(client(service, endpoint_url="http://localstack:4566"), operation)(**parameters)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] in (200, 201)


@pytest.mark.emulator
def test_calls_of_connections_keep_their_host(aws: Opened) -> None:
    from pytest_sessionplugin.gateway.values import Manage, Reply

    hosts = []

    class Gateway:
        def manage(self, call: Manage) -> Reply:
            hosts.append(call.host)
            return Reply(200)

    aws.apis.gateway = Gateway()
    for host in ("127.0.0.1:8123", "ws.example.com"):
        management = client("apigatewaymanagementapi", endpoint_url=f"http://{host}/api")
        management.post_to_connection(ConnectionId="a", Data=b"")
        aws.faults.throttled("apigatewaymanagementapi:PostToConnection", times=1)
        management.post_to_connection(ConnectionId="a", Data=b"")  # sent twice
    assert hosts == ["127.0.0.1:8123", "127.0.0.1:8123", "ws.example.com", "ws.example.com"]


def test_endpoints_of_the_stage_lead_nowhere_else(stranger: Stranger) -> None:
    """Whether botocore reads the variable or the app does."""
    config = stranger.root / ".chalice" / "config.json"
    elsewhere = '"AWS_ENDPOINT_URL": "http://localhost:4566", "AWS_ENDPOINT_URL_DYNAMODB": "http://dynamodb:8000"'
    config.write_text(
        f'{{"version": "2.0", "app_name": "x", "stages": {{"dev": {{"environment_variables": {{{elsewhere}}}}}}}}}'
    )
    (stranger.root / "app.py").write_text(
        "import os, boto3\n"
        "from chalice import Chalice\n"
        "app = Chalice(app_name='x')\n"
        "urls = (None, os.environ['AWS_ENDPOINT_URL_DYNAMODB'])\n"
        "tables = [boto3.resource('dynamodb', endpoint_url=url) for url in urls]\n"
        "@app.route('/')\n"
        "def index():\n"
        "    return [each.Table('rooms-us-east-1').scan()['Count'] for each in tables]\n"
    )
    body = """
        def test_it(chalice_gateway, dynamodb_tables, aws_calls):
            dynamodb_tables["Rooms"].put_item(Item={"name": "a"})
            assert chalice_gateway.http().get("/").json() == [1, 1]
            assert [(call.function, str(call)) for call in aws_calls] == [("api_handler", "dynamodb:Scan")] * 2
    """
    stranger.test(test_it=body).assert_outcomes(passed=1)
