"""Each call needs the actions that AWS's Service Authorization Reference names for it, on the ARNs it names."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pytest_sessionplugin.aws.iam import Asked, needs
from tests.sources import ROOT, imports

TRANSACTION = [
    {"Put": {"TableName": "a"}},
    {"Update": {"TableName": "b"}},
    {"Delete": {"TableName": "b"}},
    {"ConditionCheck": {"TableName": "a"}},
    {"Put": {"TableName": "a"}},
]
TABLE_ARN = "arn:aws:dynamodb:eu-west-1:999999999999:table/theirs"
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:theirs"


def needed(service: str, operation: str, url: str = "", **parameters: Any) -> list[tuple[str, str | None]]:
    """Actions and resources, the latter without what every one of a service begins with."""
    found = needs(Asked(service, operation, parameters, "us-east-1", url))
    return [(one.action, one.resource and one.resource.partition("us-east-1:123456789012:")[2]) for one in found]


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("PutItem", {"TableName": "a"}, [("PutItem", "table/a")]),
        ("Query", {"TableName": "a"}, [("Query", "table/a")]),
        ("Query", {"TableName": "a", "IndexName": "i"}, [("Query", "table/a/index/i")]),
        ("Scan", {"TableName": "a", "IndexName": "i"}, [("Scan", "table/a/index/i")]),
        ("DescribeTimeToLive", {"TableName": "a"}, [("DescribeTimeToLive", "table/a")]),
        (
            "BatchGetItem",
            {"RequestItems": {"a": {}, "b": {}}},
            [("BatchGetItem", "table/a"), ("BatchGetItem", "table/b")],
        ),
        ("BatchWriteItem", {"RequestItems": {"a": [{}, {}]}}, [("BatchWriteItem", "table/a")]),
        (
            "TransactWriteItems",
            {"TransactItems": TRANSACTION},
            [
                ("PutItem", "table/a"),
                ("UpdateItem", "table/b"),
                ("DeleteItem", "table/b"),
                ("ConditionCheckItem", "table/a"),
            ],
        ),
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "a"}}]}, [("GetItem", "table/a")]),
        ("ExecuteStatement", {"Statement": 'SELECT * FROM "a"."i" WHERE x=1'}, [("PartiQLSelect", "table/a/index/i")]),
        ("ExecuteStatement", {"Statement": "delete from a-b where x=1"}, [("PartiQLDelete", "table/a-b")]),
        ("ExecuteStatement", {"Statement": "nonsense"}, [("ExecuteStatement", None)]),
        (
            "BatchExecuteStatement",
            {"Statements": [{"Statement": "INSERT INTO a VALUE {}"}]},
            [("PartiQLInsert", "table/a")],
        ),
        (
            "ExecuteTransaction",
            {"TransactStatements": [{"Statement": "UPDATE a SET x=1"}]},
            [("PartiQLUpdate", "table/a")],
        ),
        ("ListTables", {}, [("ListTables", None)]),
        ("PutItem", {}, [("PutItem", None)]),
        ("TransactWriteItems", {}, [("TransactWriteItems", None)]),  # of a client that does not check its parameters
    ],
)
def test_dynamodb(operation: str, parameters: dict[str, Any], expected: list[tuple[str, str | None]]) -> None:
    assert needed("dynamodb", operation, **parameters) == [(f"dynamodb:{action}", on) for action, on in expected]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resource"),
    [
        ("lambda", "Invoke", {"FunctionName": "f"}, "lambda:InvokeFunction", "function:f"),
        ("lambda", "Invoke", {"FunctionName": "1:function:f"}, "lambda:InvokeFunction", "function:f"),
        ("lambda", "Invoke", {"FunctionName": "f", "Qualifier": "v"}, "lambda:InvokeFunction", "function:f:v"),
        ("lambda", "ListFunctions", {}, "lambda:ListFunctions", None),
        ("sqs", "SendMessageBatch", {"QueueUrl": "https://sqs/1/q"}, "sqs:SendMessage", "q"),
        ("sqs", "GetQueueUrl", {"QueueName": "q"}, "sqs:GetQueueUrl", "q"),
        ("sqs", "ListQueues", {}, "sqs:ListQueues", None),
        ("sns", "Publish", {"PhoneNumber": "+1"}, "sns:Publish", None),
        ("ssm", "GetParameter", {"Name": "/a/b:3"}, "ssm:GetParameter", "parameter/a/b"),
        ("ssm", "GetParametersByPath", {"Path": "/a/b"}, "ssm:GetParametersByPath", "parameter/a/b"),
        ("ssm", "DescribeParameters", {}, "ssm:DescribeParameters", None),
        ("ssm", "GetDocument", {"Name": "d"}, "ssm:GetDocument", None),
        ("secretsmanager", "GetSecretValue", {"SecretId": "s"}, "secretsmanager:GetSecretValue", "secret:s-??????"),
        ("secretsmanager", "ListSecrets", {}, "secretsmanager:ListSecrets", None),
        ("events", "PutEvents", {"Entries": [{}, {}]}, "events:PutEvents", "event-bus/default"),
        ("events", "ListRules", {}, "events:ListRules", None),
        ("kms", "Decrypt", {"KeyId": "k"}, "kms:Decrypt", "key/k"),
        ("kms", "Decrypt", {"KeyId": "alias/k"}, "kms:Decrypt", None),
        ("kinesis", "PutRecord", {"StreamName": "s"}, "kinesis:PutRecord", "stream/s"),
        ("monitoring", "PutMetricData", {}, "cloudwatch:PutMetricData", None),
        ("s3", "ListBuckets", {}, "s3:ListAllMyBuckets", None),
    ],
)
def test_other_services(
    service: str, operation: str, parameters: dict[str, Any], action: str, resource: str | None
) -> None:
    assert needed(service, operation, **parameters) == [(action, resource)]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "resource"),
    [
        ("dynamodb", "GetItem", {"TableName": TABLE_ARN}, TABLE_ARN),
        ("dynamodb", "Query", {"TableName": TABLE_ARN, "IndexName": "i"}, f"{TABLE_ARN}/index/i"),
        ("sns", "Publish", {"TopicArn": "arn:aws:sns:x:1:t"}, "arn:aws:sns:x:1:t"),
        ("ssm", "GetParameter", {"Name": "arn:aws:ssm:x:1:parameter/p"}, "arn:aws:ssm:x:1:parameter/p"),
        ("lambda", "Invoke", {"FunctionName": "arn:aws:lambda:x:1:function:f"}, "arn:aws:lambda:x:1:function:f"),
        ("secretsmanager", "GetSecretValue", {"SecretId": f"{SECRET_ARN}-AbC123"}, f"{SECRET_ARN}-AbC123"),
        ("secretsmanager", "GetSecretValue", {"SecretId": SECRET_ARN}, f"{SECRET_ARN}-??????"),
        ("kms", "Decrypt", {"KeyId": "arn:aws:kms:x:1:key/k"}, "arn:aws:kms:x:1:key/k"),
        ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::1:role/r"}, "arn:aws:iam::1:role/r"),
        ("events", "PutEvents", {"Entries": [{"EventBusName": "arn:aws:events:x:1:event-bus/b"}]}, None),
    ],
)
def test_an_arn_that_was_given_stays(service: str, operation: str, parameters: dict[str, Any], resource: str) -> None:
    (need,) = needs(Asked(service, operation, parameters, "us-east-1", ""))
    assert need.resource == (resource or "arn:aws:events:x:1:event-bus/b")


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("ListObjectsV2", {"Bucket": "b"}, ["s3:ListBucket b"]),
        ("GetBucketEncryption", {"Bucket": "b"}, ["s3:GetEncryptionConfiguration b"]),
        ("DeleteBucketLifecycle", {"Bucket": "b"}, ["s3:PutLifecycleConfiguration b"]),
        ("HeadBucket", {"Bucket": "b"}, ["s3:ListBucket b"]),
        ("HeadObject", {"Bucket": "b", "Key": "k/1"}, ["s3:GetObject b/k/1"]),
        ("GetObject", {"Bucket": "b", "Key": "k", "VersionId": "v"}, ["s3:GetObjectVersion b/k"]),
        ("CreateMultipartUpload", {"Bucket": "b", "Key": "k"}, ["s3:PutObject b/k"]),
        (
            "CopyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "from/x%20y"},
            ["s3:GetObject from/x y", "s3:PutObject b/k"],
        ),
        (
            "UploadPartCopy",
            {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "from", "Key": "x"}},
            ["s3:GetObject from/x", "s3:PutObject b/k"],
        ),
        (
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "1"}, {"Key": "2", "VersionId": "v"}]}},
            ["s3:DeleteObject b/1", "s3:DeleteObjectVersion b/2"],
        ),
    ],
)
def test_s3(operation: str, parameters: dict[str, Any], expected: list[str]) -> None:
    found = needs(Asked("s3", operation, parameters, "us-east-1", ""))
    assert [f"{one.action} {(one.resource or '').removeprefix('arn:aws:s3:::')}" for one in found] == expected


def test_an_access_point_stands_for_its_bucket() -> None:
    point = "arn:aws:s3:us-east-1:1:accesspoint/p"
    (need,) = needs(Asked("s3", "GetObject", {"Bucket": point, "Key": "k"}, "us-east-1", ""))
    assert need.resource == f"{point}/object/k"


@pytest.mark.parametrize(
    ("operation", "verb"), [("PostToConnection", "POST"), ("GetConnection", "GET"), ("DeleteConnection", "DELETE")]
)
def test_a_post_is_about_the_api_the_stage_the_verb_and_the_connection(operation: str, verb: str) -> None:
    url = "https://abc.execute-api.us-east-1.amazonaws.com/prod/@connections/VNR%3D"
    assert needed("execute-api", operation, url, ConnectionId="VNR=") == [
        ("execute-api:ManageConnections", f"abc/prod/{verb}/@connections/VNR=")
    ]


def test_who_one_is_may_be_asked_by_anybody() -> None:
    assert needed("sts", "GetCallerIdentity") == []


@pytest.mark.parametrize(
    "file", ["caller", "calls", "faults", "iam", "invoke_api", "races", "table_specs", "templates", "wire"]
)
def test_plain_files_import_no_library_at_their_top(file: str) -> None:
    found = imports(ROOT / "pytest_sessionplugin" / "aws" / f"{file}.py")
    tops = {one.top for one in found if not one.typed and not one.late}
    assert tops - sys.stdlib_module_names <= {"pytest_sessionplugin"}
