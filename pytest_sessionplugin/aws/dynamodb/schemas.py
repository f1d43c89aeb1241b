"""Checks of a new table: its keys, indexes and projections, in DynamoDB's order and words.

Sources: see `control`. Limits: "Quotas in Amazon DynamoDB" in the developer guide; keys of several attributes:
"Multi-attribute keys pattern" there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pytest_sessionplugin.aws.dynamodb.requests import Members
from pytest_sessionplugin.aws.dynamodb.values import INVALID, Refusal

LOCAL, GLOBAL = 5, 20  # indexes of a table
HALF = 4  # attributes in each half of a global index's key
PROJECTED = 100  # NonKeyAttributes of all indexes together

NO_UNITS = "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"


def invalid(reason: str) -> Refusal:
    return Refusal(INVALID + reason)


def check_creation(members: Members) -> None:
    """Raises Refusal if no table can be made of these members, which have their shapes."""
    on_demand = members.get("BillingMode") == "PAY_PER_REQUEST"
    if on_demand and members.get("ProvisionedThroughput") is not None:
        raise invalid(NO_UNITS)
    if not on_demand and members.get("ProvisionedThroughput") is None:
        raise invalid("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
    _check_definitions(members)
    _check_indexes(members, on_demand=on_demand)
    check_class(members)
    if (stream := members.get("StreamSpecification")) is not None:
        if stream["StreamEnabled"] and stream.get("StreamViewType") is None:
            raise invalid("Table is being created with a stream enabled, UpdateViewType is required")
        if not stream["StreamEnabled"] and stream.get("StreamViewType") is not None:
            raise invalid("Table is being created with a stream disabled, UpdateViewType should not be specified")


def _check_definitions(members: Members) -> None:
    """Keys of table and indexes against AttributeDefinitions: each defined, none unused, none twice."""
    schema, defined = members["KeySchema"], attributes(members["AttributeDefinitions"])
    if (twice := duplicate(defined)) is not None:
        raise Refusal(f"Attribute Name is duplicated: {twice}")
    if len(schema) > len(defined):
        raise Refusal("Invalid KeySchema: Some index key attribute have no definition")
    check_defined(schema, defined)
    _check_pair(schema)
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        if members.get(kind) == []:
            raise invalid(f"List of {kind} is empty")
    if members.get("LocalSecondaryIndexes") and len(schema) < 2:
        raise invalid(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
        )
    indexes = _indexes(members)
    used = dict.fromkeys(attributes(schema))
    for index in indexes:
        check_defined(index["KeySchema"], defined)
        used.update(dict.fromkeys(attributes(index["KeySchema"])))
    if len(used) < len(defined):
        raise invalid(
            "Some AttributeDefinitions are not used. "
            f"AttributeDefinitions: [{', '.join(defined)}], keys used: [{', '.join(used)}]"
            if indexes
            else "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
        )


def _check_indexes(members: Members, *, on_demand: bool) -> None:
    local, more = members.get("LocalSecondaryIndexes") or [], members.get("GlobalSecondaryIndexes") or []
    hash_key = members["KeySchema"][0]["AttributeName"]
    for index in local:
        name, schema = index["IndexName"], index["KeySchema"]
        _check_pair(schema)
        if len(schema) < 2:
            raise invalid(f"Index KeySchema does not have a range key for index: {name}")
        if schema[0]["AttributeName"] != hash_key:
            raise invalid(
                f"Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. "
                f"index hash key: {schema[0]['AttributeName']}, table hash key: {hash_key}"
            )
        _check_projection(index["Projection"])
    for index in more:
        check_global(index)
        throughput = index.get("ProvisionedThroughput")
        if on_demand and throughput is not None:
            raise invalid(
                f"ProvisionedThroughput should not be specified for index: {index['IndexName']} "
                "when BillingMode is PAY_PER_REQUEST"
            )
        if not on_demand and throughput is None:
            raise invalid(f"ProvisionedThroughput is not specified for index: {index['IndexName']}")
    if (twice := duplicate([index["IndexName"] for index in _indexes(members)])) is not None:
        raise invalid(f"Duplicate index name: {twice}")
    if len(local) > LOCAL:
        raise invalid(f"Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL}")
    if len(more) > GLOBAL:
        raise invalid(f"GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL}")
    check_projected(projected(_indexes(members)))


def _indexes(members: Members) -> list[Any]:
    return [*(members.get("LocalSecondaryIndexes") or ()), *(members.get("GlobalSecondaryIndexes") or ())]


def attributes(elements: Iterable[Members]) -> list[str]:
    """Names in a KeySchema or in AttributeDefinitions."""
    return [element["AttributeName"] for element in elements]


def duplicate(names: Sequence[str]) -> str | None:
    """The first name that has been there before."""
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def check_defined(schema: Sequence[Members], defined: Sequence[str]) -> None:
    keys = attributes(schema)
    if not set(keys) <= set(defined):
        raise invalid(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(keys)}], AttributeDefinitions: [{', '.join(defined)}]"
        )


def _check_pair(schema: Sequence[Members]) -> None:
    """A key of a table or a local index: one HASH, or one and a RANGE."""
    if duplicate(attributes(schema)) is not None:
        raise Refusal("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    _check_first(schema)
    if len(schema) > 1 and schema[1]["KeyType"] != "RANGE":
        raise Refusal("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")


def check_global(index: Members) -> None:
    """A global index has up to four HASH in its key, then up to four RANGE."""
    schema = index["KeySchema"]
    if duplicate(attributes(schema)) is not None:
        raise Refusal("The KeySchema contains multiple key attributes with the same name")
    _check_first(schema)
    kinds = [key["KeyType"] for key in schema]
    if kinds != sorted(kinds):
        raise invalid("All HASH key attributes must precede RANGE key attributes in the KeySchema")
    for kind in ("HASH", "RANGE"):
        if kinds.count(kind) > HALF:
            raise invalid(f"The KeySchema exceeds the maximum allowed number of {kind} key attributes")
    _check_projection(index["Projection"])


def _check_first(schema: Sequence[Members]) -> None:
    if schema[0]["KeyType"] != "HASH":
        raise Refusal("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")


def _check_projection(projection: Members) -> None:
    kind, more = projection.get("ProjectionType"), projection.get("NonKeyAttributes")
    if kind is None:
        raise invalid("Unknown ProjectionType: null")
    if (kind == "INCLUDE") != bool(more):
        raise invalid(f"ProjectionType is {kind}, but NonKeyAttributes is {'' if more else 'not '}specified")
    if (twice := duplicate(more or ())) is not None:
        raise invalid(f"Duplicate element in NonKeyAttributes: {twice}")


def projected(indexes: Iterable[Members]) -> int:
    """NonKeyAttributes of all these indexes; one that two of them project counts twice."""
    return sum(len(index["Projection"].get("NonKeyAttributes") or ()) for index in indexes)


def check_projected(count: int) -> None:
    if count > PROJECTED:
        raise invalid(f"Number of NonKeyAttributes in all indexes exceeds per-table limit of {PROJECTED}")


def check_class(members: Members) -> None:
    classes = ("STANDARD", "STANDARD_INFREQUENT_ACCESS")
    if members.get("TableClass") not in (None, *classes):
        raise Refusal(
            "Invalid table-class parameter provided. Please try again with a valid table-class value: "
            f"[{', '.join(classes)}]."
        )
