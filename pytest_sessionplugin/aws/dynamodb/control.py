"""Checks of the operations on tables, indexes, TTL and tags, in DynamoDB's order and words.

Words as nubo-db/dynamodb-conformance and other public projects have recorded them on AWS; limits: "Quotas in Amazon
DynamoDB" in the developer guide. Where AWS says nothing on record, the sentence is short. The tables themselves are the
caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_sessionplugin.aws.dynamodb.requests import Members, report
from pytest_sessionplugin.aws.dynamodb.schemas import (
    GLOBAL,
    NO_UNITS,
    attributes,
    check_class,
    check_creation,
    check_defined,
    check_global,
    check_projected,
    duplicate,
    invalid,
    projected,
)
from pytest_sessionplugin.aws.dynamodb.shapes import INDEX_NAME, NAME, SHAPES
from pytest_sessionplugin.aws.dynamodb.values import Refusal

ARN: Final = re.compile(
    rf"arn:[a-z-]+:dynamodb:(?P<region>[a-z0-9-]+):(?P<account>\d{{12}}):table/(?P<table>{NAME})(?P<below>/.+)?",
    re.ASCII,
)
TAG: Final = re.compile(r"[\w\s+\-=.:/@]*")
TAGS = 50
PAGE = 100  # names in an answer of ListTables

REPORTED = 10  # broken constraints that an answer names at most

_TAGGING = ("TagResource", "UntagResource", "ListTagsOfResource")


@dataclass(frozen=True)
class TableState:
    """An existing table, as far as the checks need it."""

    billing_mode: str = "PROVISIONED"
    throughput: tuple[int, int] = (0, 0)  # capacity units for reads and writes
    global_indexes: frozenset[str] = frozenset()
    local_indexes: frozenset[str] = frozenset()
    projected: int = 0  # NonKeyAttributes of all indexes together
    stream: bool = False  # enabled
    ttl: str | None = None  # its attribute; None while TTL is disabled
    protected: bool = False
    tags: frozenset[str] = frozenset()  # keys


def check(operation: str, members: Members, table: TableState | None, *, account: str | None = None) -> None:
    """Raises Refusal if DynamoDB would refuse the operation, one of SHAPES. `table` is None when it does not exist.

    `account` is the caller's: it may not see the tags of others. None compares nothing.
    """
    if operation not in ("ListTables", *_TAGGING):
        _check_name(operation, members)
    report(list(SHAPES[operation]("", members))[:REPORTED])
    if operation in _TAGGING:
        _check_tagging(operation, members, table, account)
    elif operation == "CreateTable":
        check_creation(members)
        _check_tags(members.get("Tags") or (), frozenset())
        if table is not None:
            raise Refusal(f"Table already exists: {members['TableName']}", "ResourceInUseException")
    elif operation != "ListTables":
        name = table_name(members)
        if operation == "UpdateTable":
            _check_update(members)
        if table is None:
            raise _missing(f"Table: {name} not found")
        if operation == "UpdateTable":
            _check_change(members, table, name)
        elif operation == "UpdateTimeToLive":
            _check_ttl(members["TimeToLiveSpecification"], table)
        elif operation == "DeleteTable" and table.protected:
            raise Refusal(
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first."
            )


def table_name(members: Members) -> str | None:
    """The name that a request gives for its table, by itself or in an ARN. None without a text."""
    given = members.get("TableName", members.get("ResourceArn"))
    if not isinstance(given, str):
        return None
    found = ARN.fullmatch(given)
    return found["table"] if found else given


def tables(names: Iterable[str], members: Members) -> dict[str, Any]:
    """The answer of ListTables: names after the start in alphabetical order, and the last one if more follow."""
    start, limit = members.get("ExclusiveStartTableName") or "", members.get("Limit") or PAGE
    later = sorted(name for name in names if name > start)
    answer: dict[str, Any] = {"TableNames": later[:limit]}
    if len(later) > limit:
        answer["LastEvaluatedTableName"] = later[limit - 1]
    return answer


def _missing(what: str) -> Refusal:
    return Refusal(f"Requested resource not found: {what}", "ResourceNotFoundException")


def _check_name(operation: str, members: Members) -> None:
    """Before all else, and alone. An ARN may stand for the name; AWS takes one in CreateTable too."""
    name = members.get("TableName")
    if name is None:
        raise Refusal("The parameter 'TableName' is required but was not present in the request")
    if operation != "CreateTable" and isinstance(name, str) and (found := ARN.fullmatch(name)) and not found["below"]:
        return
    report(list(INDEX_NAME("tableName", name)))


# --- UpdateTable

ALONE: Final = {
    "SSESpecification": "Server-Side Encryption",
    "TableClass": "TableClass",
    "DeletionProtectionEnabled": "DeletionProtection",
    "ReplicaUpdates": "Replica",
}
CHANGES: Final = (
    *("ProvisionedThroughput", "BillingMode", "StreamSpecification", "GlobalSecondaryIndexUpdates", "SSESpecification"),
    *("ReplicaUpdates", "MultiRegionConsistency", "DeletionProtectionEnabled", "OnDemandThroughput", "WarmThroughput"),
    "TableClass",
)


def _check_update(members: Members) -> None:
    """The request by itself, before the table is looked for."""
    updates = members.get("GlobalSecondaryIndexUpdates")
    changes = [member for member in CHANGES if members.get(member) not in (None, [], {})]
    if not changes:
        raise Refusal(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, "
            "SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, "
            "MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass "
            "is required"
        )
    if updates == []:
        raise invalid("List of GlobalSecondaryIndexUpdates is empty")
    check_class(members)
    for member, words in ALONE.items():
        if member in changes and len(changes) > 1:
            raise invalid(f"{words} modification must be the only operation in the request")
    if members.get("BillingMode") == "PAY_PER_REQUEST" and "ProvisionedThroughput" in changes:
        raise invalid(NO_UNITS)
    _check_updates(updates or (), attributes(members.get("AttributeDefinitions") or ()), changes)
    if (stream := members.get("StreamSpecification")) is not None:
        if "ProvisionedThroughput" in changes:
            raise invalid("You cannot modify stream status while updating table IOPS")
        if stream["StreamEnabled"] and stream.get("StreamViewType") is None:
            raise invalid("If stream is being enabled then UpdateViewType is required")
        if not stream["StreamEnabled"] and stream.get("StreamViewType") is not None:
            raise invalid("If stream is being disabled, then UpdateViewType must not be specified")


def _check_updates(updates: Iterable[Members], defined: Sequence[str], changes: Sequence[str]) -> None:
    seen: set[str] = set()
    for update in updates:
        actions = _actions(update)
        if not actions:
            raise invalid(
                "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
                "GlobalSecondaryIndexUpdate.Delete must not be null"
            )
        if len(actions) > 1:
            raise invalid("Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object")
        name = update[actions[0]]["IndexName"]
        if name in seen:
            raise invalid(f"Only one global secondary index update per index is allowed simultaneously. Index: {name}")
        seen.add(name)
        if actions != ["Update"] and "ProvisionedThroughput" in changes:
            raise invalid("You cannot create or delete index while updating table IOPS")
        if actions != ["Update"] and "StreamSpecification" in changes:
            raise invalid("You cannot create or delete index while changing stream status")
        if create := update.get("Create"):
            if not defined:
                raise invalid(f"AttributeDefinitions is not specified for index: {name}")
            check_defined(create["KeySchema"], defined)
            check_global(create)


def _actions(update: Members) -> list[str]:
    return [action for action in ("Update", "Create", "Delete") if update.get(action) is not None]


def _check_change(members: Members, table: TableState, name: str | None) -> None:
    """The request against the table."""
    mode, throughput = members.get("BillingMode") or table.billing_mode, members.get("ProvisionedThroughput")
    if mode == "PAY_PER_REQUEST" and throughput is not None:
        raise invalid(NO_UNITS)
    switched = mode == "PROVISIONED" != table.billing_mode
    if switched and throughput is None:
        raise invalid("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    if throughput is not None and not switched:
        _check_throughput((throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]), table.throughput)
    updates = members.get("GlobalSecondaryIndexUpdates") or ()
    for update in updates:
        _check_index(update, table, name, on_demand=mode == "PAY_PER_REQUEST")
    creates = [update["Create"] for update in updates if update.get("Create")]
    if len(creates) + sum(bool(update.get("Delete")) for update in updates) > 1:
        raise _exceeded("Only 1 online index can be created or deleted simultaneously per table")
    if len(table.global_indexes) + len(creates) > GLOBAL:
        raise _exceeded(f"Number of global secondary indexes exceeds per-table limit of {GLOBAL}")
    check_projected(table.projected + projected(creates))
    if switched:
        given = {update["Update"]["IndexName"] for update in updates if update.get("Update")}
        for index in sorted(table.global_indexes - given):
            raise invalid(f"ProvisionedThroughput must be specified for index: {index}")
    if (stream := members.get("StreamSpecification")) is not None and stream["StreamEnabled"] == table.stream:
        found = "Table already has an enabled stream" if table.stream else "Table has no stream to disable"
        raise Refusal(f"{found}: TableName: {name}")


def _check_throughput(asked: tuple[int, int], current: tuple[int, int]) -> None:
    if asked == current:
        raise Refusal(
            "The provisioned throughput for the table will not change. The requested value equals the current value. "
            f"Current ReadCapacityUnits provisioned for the table: {current[0]}. "
            f"Requested ReadCapacityUnits: {asked[0]}. "
            f"Current WriteCapacityUnits provisioned for the table: {current[1]}. "
            f"Requested WriteCapacityUnits: {asked[1]}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )


def _check_index(update: Members, table: TableState, name: str | None, *, on_demand: bool) -> None:
    (action,) = _actions(update)
    index, throughput = update[action]["IndexName"], update[action].get("ProvisionedThroughput")
    if action == "Create":
        if index in table.global_indexes | table.local_indexes:
            raise Refusal("Attempting to create an index which already exists")
        if on_demand and throughput is not None:
            raise invalid(NO_UNITS.replace("specified", f"specified for index: {index}"))
        if not on_demand and throughput is None:
            raise invalid(f"Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: {index}")
        return
    if index in table.local_indexes:
        raise Refusal(f"Cannot {action.lower()} an index that is not a GlobalSecondaryIndex: {index}")
    if index not in table.global_indexes:
        raise _missing(f"Index {index} for table {name}")
    others = ("OnDemandThroughput", "WarmThroughput")
    if action == "Update" and on_demand and not any(update[action].get(member) for member in others):
        raise invalid(
            f"The only Updates for index: {index} when TableThroughputMode is PAY_PER_REQUEST can be to "
            "OnDemandThroughput, WarmThroughput"
        )


def _exceeded(limit: str) -> Refusal:
    return Refusal(f"Subscriber limit exceeded: {limit}", "LimitExceededException")


# --- TTL and tags


def _check_ttl(specification: Members, table: TableState) -> None:
    """Without the half hour that AWS makes callers wait between two changes."""
    if not specification["Enabled"] and table.ttl is None:
        raise Refusal("TimeToLive is already disabled")
    if table.ttl not in (None, specification["AttributeName"]):
        raise Refusal(f"TimeToLive is active on a different AttributeName: current AttributeName is {table.ttl}")
    if specification["Enabled"] and table.ttl is not None:
        raise Refusal("TimeToLive is already enabled")


def _check_tagging(operation: str, members: Members, table: TableState | None, account: str | None) -> None:
    arn = members.get("ResourceArn")
    if arn is None:
        raise Refusal("Invalid TableArn")
    found = _check_arn(arn)
    held = table.tags if table is not None else frozenset[str]()
    if operation == "TagResource":
        if not members.get("Tags"):
            raise Refusal("Atleast one Tag needs to be provided as Input.")
        _check_tags(members["Tags"], held)
    if operation == "UntagResource":
        keys = members.get("TagKeys") or ()
        if not keys:
            raise Refusal("Atleast one Tag Key needs to be provided as Input.")
        _check_tag_keys(keys)
        if len(keys) > TAGS:
            raise Refusal("Number of Tags exceed the current limit for the provided ResourceArn")
    if account is not None and found["account"] != account:
        raise Refusal(
            f"User: arn:aws:iam::{account}:root is not authorized to perform: dynamodb:{operation} on resource: {arn}",
            "AccessDeniedException",
        )
    if table is None:
        raise _missing(f"ResourcArn: {arn} not found")  # spelt so by AWS


def _check_arn(arn: str) -> re.Match[str]:
    if not arn.startswith("arn:"):
        raise invalid(f"ARNs must start with 'arn:': {arn}")
    if arn.split(":")[2:3] != ["dynamodb"] or "/backup/" in arn:
        raise invalid(f"Provided Arn is not a DynamoDB resource arn: {arn}")
    if "/index/" in arn:
        raise invalid(f"Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}")
    found = ARN.fullmatch(arn)
    if found is None:
        raise Refusal(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    return found


def _check_tags(tags: Iterable[Members], held: frozenset[str]) -> None:
    """`held`: keys that the table has already, which count too."""
    keys = [tag.get("Key") for tag in tags]
    _check_tag_keys(keys)
    for tag in tags:
        value = tag.get("Value")
        if value is None or len(value) > 256 or not TAG.fullmatch(value):
            raise Refusal(f"The Tag Value provided is invalid, Value: {'null' if value is None else value}")
    if (twice := duplicate([key for key in keys if key is not None])) is not None:
        raise Refusal(f"Duplicate Tag Keys provided as input: Duplicate Tag Key found {twice}")
    if len(held.union(tag["Key"] for tag in tags)) > TAGS:
        raise Refusal("Number of Tags exceed the current limit for the provided ResourceArn")


def _check_tag_keys(keys: Iterable[str | None]) -> None:
    for key in keys:
        if key is None or not 1 <= len(key) <= 128 or not TAG.fullmatch(key):
            raise Refusal(f"The Tag Key provided is invalid, Key: {'null' if key is None else key}")
        if key.lower().startswith("aws:"):
            raise Refusal(f"Tag Key cannot be prefixed with aws:, Key: {key}")
