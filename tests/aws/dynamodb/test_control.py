"""Changes of tables, TTL and tags are made or refused as in DynamoDB, and tables are listed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.control import TableState, table_name, tables
from tests.aws.dynamodb.definitions import (
    ARN,
    BASE,
    EIGHT,
    INVALID,
    MODE,
    ONE,
    PATTERN,
    UNITS,
    broken,
    definitions,
    included,
    index,
    refused,
    undefined,
)

ON_DEMAND = TableState(
    "PAY_PER_REQUEST", global_indexes=frozenset({"by-owner"}), local_indexes=frozenset({"by-time"}), projected=90
)
PROVISIONED = TableState(throughput=(5, 5), global_indexes=frozenset({"by-owner"}))
PLAIN = TableState("PAY_PER_REQUEST")


def test_a_table_is_not_created_twice() -> None:
    assert refused("CreateTable", BASE, ON_DEMAND) == ("ResourceInUseException", "Table already exists: Rooms")


# --- UpdateTable

CREATE = {"AttributeDefinitions": definitions("a"), "GlobalSecondaryIndexUpdates": [{"Create": index("by-a", "a")}]}
DELETE = {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-owner"}}]}
ENABLE = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}
DISABLE = {"StreamSpecification": {"StreamEnabled": False}}


def created(*attributes: str, **more: Any) -> dict[str, Any]:
    names = definitions(*dict.fromkeys(name.lstrip("-") for name in attributes))
    return {
        "AttributeDefinitions": names,
        "GlobalSecondaryIndexUpdates": [{"Create": index("by-a", *attributes, **more)}],
    }


def updated(name: str, **more: Any) -> dict[str, Any]:
    return {"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": name, **more}}]}


@pytest.mark.parametrize(
    ("members", "table"),
    [
        ({"ProvisionedThroughput": {**UNITS, "ReadCapacityUnits": 10}}, PROVISIONED),
        ({"BillingMode": "PAY_PER_REQUEST"}, ON_DEMAND),
        ({"BillingMode": "PAY_PER_REQUEST"}, PROVISIONED),
        ({"BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS}, PLAIN),
        (
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": UNITS,
                **updated("by-owner", ProvisionedThroughput=UNITS),
            },
            ON_DEMAND,
        ),
        (CREATE, ON_DEMAND),
        (created(*EIGHT), ON_DEMAND),
        (created("a", Projection=included(*(f"x{number}" for number in range(10)))), ON_DEMAND),
        (created("a", ProvisionedThroughput=UNITS), PROVISIONED),
        ({**CREATE, "AttributeDefinitions": definitions("a", "unused")}, ON_DEMAND),
        (DELETE, ON_DEMAND),
        (updated("by-owner", ProvisionedThroughput=UNITS), PROVISIONED),
        (updated("by-owner", OnDemandThroughput={"MaxReadRequestUnits": 5}), ON_DEMAND),
        (ENABLE, PLAIN),
        (DISABLE, replace(PLAIN, stream=True)),
        ({"DeletionProtectionEnabled": False}, ON_DEMAND),
        ({"TableClass": "STANDARD", "WarmThroughput": {}}, ON_DEMAND),
    ],
)
def test_a_change_that_aws_makes_is_accepted(members: dict[str, Any], table: TableState) -> None:
    assert refused("UpdateTable", {"TableName": "Rooms", **members}, table) is None


ANY = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, "
    "SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, "
    "DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"
)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, ANY),
        ({"GlobalSecondaryIndexUpdates": []}, ANY),
        ({"AttributeDefinitions": definitions("pk")}, ANY),
        (
            {"GlobalSecondaryIndexUpdates": [], "DeletionProtectionEnabled": True},
            f"{INVALID}List of GlobalSecondaryIndexUpdates is empty",
        ),
        (
            {"ProvisionedThroughput": {**UNITS, "WriteCapacityUnits": -1}},
            broken("provisionedThroughput.writeCapacityUnits", "'-1'", "have value greater than or equal to 1"),
        ),
        (
            {"BillingMode": "PAY_PER_REQUEST", "ProvisionedThroughput": UNITS},
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be {MODE}",
        ),
        (
            {**CREATE, "DeletionProtectionEnabled": True},
            f"{INVALID}DeletionProtection modification must be the only operation in the request",
        ),
        (
            {"SSESpecification": {"Enabled": True}, "DeletionProtectionEnabled": True},
            f"{INVALID}Server-Side Encryption modification must be the only operation in the request",
        ),
        (
            {**CREATE, "ProvisionedThroughput": UNITS},
            f"{INVALID}You cannot create or delete index while updating table IOPS",
        ),
        ({**DELETE, **ENABLE}, f"{INVALID}You cannot create or delete index while changing stream status"),
        (
            {**ENABLE, "ProvisionedThroughput": UNITS},
            f"{INVALID}You cannot modify stream status while updating table IOPS",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": True}},
            f"{INVALID}If stream is being enabled then UpdateViewType is required",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},
            f"{INVALID}If stream is being disabled, then UpdateViewType must not be specified",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{}]},
            f"{INVALID}One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
            "GlobalSecondaryIndexUpdate.Delete must not be null",
        ),
        (
            {
                "GlobalSecondaryIndexUpdates": [
                    {"Update": {"IndexName": "by-owner"}, "Delete": {"IndexName": "by-owner"}}
                ]
            },
            f"{INVALID}Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        ),
        (
            {"GlobalSecondaryIndexUpdates": DELETE["GlobalSecondaryIndexUpdates"] * 2},
            f"{INVALID}Only one global secondary index update per index is allowed simultaneously. Index: by-owner",
        ),
        (
            {"GlobalSecondaryIndexUpdates": CREATE["GlobalSecondaryIndexUpdates"]},
            f"{INVALID}AttributeDefinitions is not specified for index: by-a",
        ),
        ({**CREATE, "AttributeDefinitions": definitions("b")}, undefined("a", "b")),
        (
            created("a", "b", "c", "d", "e"),
            f"{INVALID}The KeySchema exceeds the maximum allowed number of HASH key attributes",
        ),
        (created("a", Projection={}), f"{INVALID}Unknown ProjectionType: null"),
    ],
)
def test_a_change_that_cannot_be_is_refused_before_the_table_is_looked_for(
    members: dict[str, Any], message: str
) -> None:
    assert refused("UpdateTable", {"TableName": "Rooms", **members}) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("members", "table", "message"),
    [
        (
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS},
            PROVISIONED,
            "The provisioned throughput for the table will not change. The requested value equals the current value. "
            "Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. "
            "Current WriteCapacityUnits provisioned for the table: 5. Requested WriteCapacityUnits: 5. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
        ),
        (
            {"ProvisionedThroughput": UNITS},
            ON_DEMAND,
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be {MODE}",
        ),
        (
            {"BillingMode": "PROVISIONED"},
            ON_DEMAND,
            f"{INVALID}ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
        ),
        (
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS},
            ON_DEMAND,
            f"{INVALID}ProvisionedThroughput must be specified for index: by-owner",
        ),
        (
            created("a", ProvisionedThroughput=UNITS),
            ON_DEMAND,
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: by-a when "
            "BillingMode is PAY_PER_REQUEST",
        ),
        (
            CREATE,
            PROVISIONED,
            f"{INVALID}Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: by-a",
        ),
        (
            updated("by-owner", ProvisionedThroughput=UNITS),
            ON_DEMAND,
            f"{INVALID}The only Updates for index: by-owner when TableThroughputMode is PAY_PER_REQUEST can be to "
            "OnDemandThroughput, WarmThroughput",
        ),
        (
            CREATE,
            replace(ON_DEMAND, global_indexes=frozenset({"by-a"})),
            "Attempting to create an index which already exists",
        ),
        (
            CREATE,
            replace(ON_DEMAND, local_indexes=frozenset({"by-a"})),
            "Attempting to create an index which already exists",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-time"}}]},
            ON_DEMAND,
            "Cannot delete an index that is not a GlobalSecondaryIndex: by-time",
        ),
        (updated("by-time"), ON_DEMAND, "Cannot update an index that is not a GlobalSecondaryIndex: by-time"),
        (
            created("a", Projection=included(*(f"x{number}" for number in range(11)))),
            ON_DEMAND,
            f"{INVALID}Number of NonKeyAttributes in all indexes exceeds per-table limit of 100",
        ),
        (ENABLE, replace(PLAIN, stream=True), "Table already has an enabled stream: TableName: Rooms"),
        (DISABLE, PLAIN, "Table has no stream to disable: TableName: Rooms"),
    ],
)
def test_a_change_that_does_not_fit_the_table_is_refused(
    members: dict[str, Any], table: TableState, message: str
) -> None:
    assert refused("UpdateTable", {"TableName": "Rooms", **members}, table) == ("ValidationException", message)


@pytest.mark.parametrize("second", [{"Create": index("by-b", "a")}, {"Delete": {"IndexName": "by-owner"}}])
def test_one_index_is_created_or_deleted_in_a_call(second: dict[str, Any]) -> None:
    updates = [{"Create": index("by-a", "a")}, second]
    members = {"TableName": "Rooms", **CREATE, "GlobalSecondaryIndexUpdates": updates}
    assert refused("UpdateTable", members, ON_DEMAND) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
    )


def test_a_table_has_twenty_global_indexes_at_most() -> None:
    full = replace(PLAIN, global_indexes=frozenset(f"by-{number}" for number in range(20)))
    assert refused("UpdateTable", {"TableName": "Rooms", **CREATE}, full) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of 20",
    )


@pytest.mark.parametrize("action", ["Update", "Delete"])
def test_an_index_that_the_table_lacks_is_not_found(action: str) -> None:
    members = {"TableName": "Rooms", "GlobalSecondaryIndexUpdates": [{action: {"IndexName": "ghost"}}]}
    answer = ("ResourceNotFoundException", "Requested resource not found: Index ghost for table Rooms")
    assert refused("UpdateTable", members, ON_DEMAND) == answer


# --- one table

TTL = {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "purgeAt"}}
OFF = {"TimeToLiveSpecification": {"Enabled": False, "AttributeName": "purgeAt"}}
NAMED: dict[str, dict[str, Any]] = {
    "DescribeTable": {},
    "DeleteTable": {},
    "UpdateTable": {"BillingMode": "PAY_PER_REQUEST"},
    "UpdateTimeToLive": TTL,
    "DescribeTimeToLive": {},
}


@pytest.mark.parametrize("operation", NAMED)
@pytest.mark.parametrize("name", ["Rooms", ARN])
def test_a_table_is_found_by_its_name_or_arn(operation: str, name: str) -> None:
    members = {"TableName": name, **NAMED[operation]}
    missing = ("ResourceNotFoundException", "Requested resource not found: Table: Rooms not found")
    assert refused(operation, members, PLAIN) is None
    assert refused(operation, members) == missing


@pytest.mark.parametrize("operation", NAMED)
@pytest.mark.parametrize("name", [None, "", "my rooms", f"{ARN}/index/by-owner", "arn:aws:s3:::rooms"])
def test_a_name_that_no_table_can_have_is_refused(operation: str, name: str | None) -> None:
    members = {**NAMED[operation], **({} if name is None else {"TableName": name})}
    answer = refused(operation, members, PLAIN)
    assert answer is not None
    assert answer[0] == "ValidationException"
    assert ("at 'tableName'" in answer[1]) is (name is not None)


def test_a_protected_table_is_not_deleted() -> None:
    assert refused("DeleteTable", {"TableName": "Rooms"}, replace(PLAIN, protected=True)) == (
        "ValidationException",
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
    )


@pytest.mark.parametrize(
    ("specification", "current", "message"),
    [
        (TTL, None, None),
        (OFF, "purgeAt", None),
        (TTL, "purgeAt", "TimeToLive is already enabled"),
        (OFF, None, "TimeToLive is already disabled"),
        (TTL, "at", "TimeToLive is active on a different AttributeName: current AttributeName is at"),
        (OFF, "at", "TimeToLive is active on a different AttributeName: current AttributeName is at"),
        ({}, None, broken("timeToLiveSpecification", "null", "not be null")),
        (
            {"TimeToLiveSpecification": {"Enabled": True}},
            None,
            broken("timeToLiveSpecification.attributeName", "null", "not be null"),
        ),
        (
            {"TimeToLiveSpecification": {"AttributeName": "at"}},
            None,
            broken("timeToLiveSpecification.enabled", "null", "not be null"),
        ),
        (
            {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": ""}},
            None,
            broken("timeToLiveSpecification.attributeName", "''", "have length greater than or equal to 1"),
        ),
    ],
)
def test_ttl_is_switched_once_and_on_one_attribute(
    specification: dict[str, Any], current: str | None, message: str | None
) -> None:
    answer = refused("UpdateTimeToLive", {"TableName": "Rooms", **specification}, replace(PLAIN, ttl=current))
    assert answer == (None if message is None else ("ValidationException", message))


# --- tags


def tags(*names: str) -> list[dict[str, str]]:
    return [{"Key": name, "Value": ""} for name in names]


FIFTY = [f"k{number}" for number in range(50)]
MANY = "Number of Tags exceed the current limit for the provided ResourceArn"


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        ("TagResource", {"Tags": tags(*FIFTY)}, None),
        ("TagResource", {"Tags": [{"Key": "k" * 128, "Value": "v" * 256}]}, None),
        ("TagResource", {"ResourceArn": None}, "Invalid TableArn"),
        ("TagResource", {"ResourceArn": "rooms"}, f"{INVALID}ARNs must start with 'arn:': rooms"),
        (
            "TagResource",
            {"ResourceArn": f"{ARN}/index/by-owner"},
            f"{INVALID}Invalid resource arn provided, only table or stream is accepted. "
            f"Provided resource arn: {ARN}/index/by-owner",
        ),
        (
            "ListTagsOfResource",
            {"ResourceArn": f"{ARN}/backup/1"},
            f"{INVALID}Provided Arn is not a DynamoDB resource arn: {ARN}/backup/1",
        ),
        (
            "ListTagsOfResource",
            {"ResourceArn": "arn:aws:dynamodb:eu-west-1:12:table/Rooms"},
            "Invalid TableArn: Invalid ResourceArn provided as input arn:aws:dynamodb:eu-west-1:12:table/Rooms",
        ),
        ("TagResource", {}, "Atleast one Tag needs to be provided as Input."),
        ("TagResource", {"Tags": []}, "Atleast one Tag needs to be provided as Input."),
        ("TagResource", {"Tags": tags("")}, "The Tag Key provided is invalid, Key: "),
        ("TagResource", {"Tags": tags("k" * 129)}, f"The Tag Key provided is invalid, Key: {'k' * 129}"),
        ("TagResource", {"Tags": tags("a,b")}, "The Tag Key provided is invalid, Key: a,b"),
        ("TagResource", {"Tags": [{"Key": "a"}]}, "The Tag Value provided is invalid, Value: null"),
        (
            "TagResource",
            {"Tags": [{"Key": "a", "Value": "v" * 257}]},
            f"The Tag Value provided is invalid, Value: {'v' * 257}",
        ),
        ("TagResource", {"Tags": [{"Key": "a", "Value": "100%"}]}, "The Tag Value provided is invalid, Value: 100%"),
        ("TagResource", {"Tags": tags("good", "AWS:foo")}, "Tag Key cannot be prefixed with aws:, Key: AWS:foo"),
        (
            "TagResource",
            {"Tags": tags("dup", "dup")},
            "Duplicate Tag Keys provided as input: Duplicate Tag Key found dup",
        ),
        ("TagResource", {"Tags": tags(*FIFTY, "one-more")}, MANY),
        ("UntagResource", {"TagKeys": ["team"]}, None),
        ("UntagResource", {"TagKeys": []}, "Atleast one Tag Key needs to be provided as Input."),
        ("UntagResource", {"TagKeys": [""]}, "The Tag Key provided is invalid, Key: "),
        ("UntagResource", {"TagKeys": [*FIFTY, "one-more"]}, MANY),
        ("ListTagsOfResource", {}, None),
    ],
)
def test_tags_are_checked(operation: str, members: dict[str, Any], message: str | None) -> None:
    answer = refused(operation, {"ResourceArn": ARN, **members}, PLAIN)
    assert answer == (None if message is None else ("ValidationException", message))


@pytest.mark.parametrize(("added", "accepted"), [("k0", True), ("k50", False)])
def test_tags_that_the_table_has_count(added: str, accepted: bool) -> None:
    members = {"ResourceArn": ARN, "Tags": tags(added)}
    answer = refused("TagResource", members, replace(PLAIN, tags=frozenset(FIFTY)))
    assert answer == (None if accepted else ("ValidationException", MANY))


@pytest.mark.parametrize(
    ("operation", "members"),
    [("TagResource", {"Tags": tags("a")}), ("UntagResource", {"TagKeys": ["a"]}), ("ListTagsOfResource", {})],
)
def test_tags_of_a_missing_table_are_not_found_and_those_of_another_account_denied(
    operation: str, members: dict[str, Any]
) -> None:
    assert refused(operation, {"ResourceArn": ARN, **members}) == (
        "ResourceNotFoundException",
        f"Requested resource not found: ResourcArn: {ARN} not found",
    )
    other = ARN.replace("123456789012", "000000000000")
    assert refused(operation, {"ResourceArn": other, **members}) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::123456789012:root is not authorized to perform: dynamodb:{operation} on resource: {other}",
    )


# --- ListTables


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, None),
        ({"Limit": 100, "ExclusiveStartTableName": "Rooms"}, None),
        ({"Limit": 0}, broken("limit", "'0'", "have value greater than or equal to 1")),
        ({"Limit": 101}, broken("limit", "'101'", "have value less than or equal to 100")),
        (
            {"ExclusiveStartTableName": "a;b"},
            f"{ONE}Value 'a;b' at 'exclusiveStartTableName' failed to satisfy constraint: {PATTERN}",
        ),
    ],
)
def test_a_list_of_tables_has_limits(members: dict[str, Any], message: str | None) -> None:
    assert refused("ListTables", members) == (None if message is None else ("ValidationException", message))


@pytest.mark.parametrize(
    ("members", "answer"),
    [
        ({}, {"TableNames": ["a", "b", "c"]}),
        ({"Limit": 3}, {"TableNames": ["a", "b", "c"]}),
        ({"Limit": 2}, {"TableNames": ["a", "b"], "LastEvaluatedTableName": "b"}),
        ({"Limit": 1, "ExclusiveStartTableName": "a"}, {"TableNames": ["b"], "LastEvaluatedTableName": "b"}),
        ({"ExclusiveStartTableName": "bb"}, {"TableNames": ["c"]}),
        ({"ExclusiveStartTableName": "c"}, {"TableNames": []}),
    ],
)
def test_tables_are_listed_in_alphabetical_order(members: dict[str, Any], answer: dict[str, Any]) -> None:
    assert tables(["b", "c", "a"], members) == answer


def test_a_list_has_a_hundred_names_at_most() -> None:
    answer = tables((f"t{number:03}" for number in range(101)), {})
    assert (len(answer["TableNames"]), answer["LastEvaluatedTableName"]) == (100, "t099")


@pytest.mark.parametrize(
    ("members", "name"),
    [({"TableName": "Rooms"}, "Rooms"), ({"TableName": ARN}, "Rooms"), ({"ResourceArn": ARN}, "Rooms"), ({}, None)],
)
def test_a_request_names_its_table_by_name_or_arn(members: dict[str, Any], name: str | None) -> None:
    assert table_name(members) == name
    assert table_name({"TableName": 1}) is None
