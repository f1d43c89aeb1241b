"""JSON types of the data plane's members. JSON of another type cannot be read at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_sessionplugin.aws.dynamodb.values import Refusal

Check = Callable[[Any], None]
"""Raises Refusal for JSON of another type."""

PACKAGE = "com.amazonaws.dynamodb.v20120810"


def mistyped(value: Any, scalar: str = "") -> Refusal:
    """A value where a `scalar` of Java (String, Boolean, Integer) or, without one, a list or a map belongs."""
    if isinstance(value, Mapping):
        message = "Start of structure or map found where not expected"
    elif not scalar:
        message = "Unexpected field type"
    elif isinstance(value, list):
        message = f"Unrecognized collection type class java.lang.{scalar}"
    else:
        kinds = {bool: str(value).upper(), str: "STRING", float: "DECIMAL"}
        message = f"{kinds.get(type(value), 'NUMBER')}_VALUE cannot be converted to {scalar}"
    return Refusal(message, "SerializationException")


def text(value: Any) -> None:
    if not isinstance(value, str):
        raise mistyped(value, "String")


def flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise mistyped(value, "Boolean")


def count(value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise mistyped(value, "Integer")


def held(_value: Any) -> None:
    """An attribute value, whose type is checked with what it holds."""


def listed(item: Check) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, list):
            raise mistyped(value)
        for each in value:
            item(each)

    return check


def mapped(item: Check, of: str = f"{PACKAGE}.AttributeValue") -> Check:
    def check(value: Any) -> None:
        if isinstance(value, list):
            message = f"Unrecognized collection type java.util.Map<java.lang.String, {of}>"
            raise Refusal(message, "SerializationException")
        if not isinstance(value, dict):
            raise mistyped(value)
        for each in value.values():
            item(each)

    return check


def structure(members: Mapping[str, Check]) -> Check:
    """Members besides those that are named may be there, of any type; null stands for an absent one."""

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise Refusal("Unexpected value type in payload", "SerializationException")
        for name, each in value.items():
            if each is not None and (checked := members.get(name)) is not None:
                checked(each)

    return check


VALUES = mapped(held)
TEXTS = mapped(text, "java.lang.String")
_CONDITIONS = mapped(
    structure({"ComparisonOperator": text, "AttributeValueList": listed(held)}), f"{PACKAGE}.Condition"
)
_EXPECTED = structure({"ComparisonOperator": text, "AttributeValueList": listed(held), "Exists": flag})

_OF_ITEMS: Mapping[str, Check] = {
    **dict.fromkeys(("TableName", "IndexName", "ReturnValuesOnConditionCheckFailure"), text),
    **dict.fromkeys(("ConditionExpression", "FilterExpression", "KeyConditionExpression"), text),
    **dict.fromkeys(("ProjectionExpression", "UpdateExpression"), text),
    **dict.fromkeys(("Item", "Key", "ExclusiveStartKey", "ExpressionAttributeValues"), VALUES),
    "ExpressionAttributeNames": TEXTS,
    "AttributesToGet": listed(text),
    "ConsistentRead": flag,
}
_ACTION = structure(_OF_ITEMS)
_STATEMENT = structure({"Statement": text, "Parameters": listed(held), "ConsistentRead": flag})

MEMBERS: Mapping[str, Check] = {
    **_OF_ITEMS,
    **dict.fromkeys(("ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ReturnValues", "Select"), text),
    **dict.fromkeys(("ConditionalOperator", "ClientRequestToken", "Statement", "NextToken"), text),
    "ScanIndexForward": flag,
    **dict.fromkeys(("Limit", "Segment", "TotalSegments"), count),
    **dict.fromkeys(("KeyConditions", "QueryFilter", "ScanFilter"), _CONDITIONS),
    "Expected": mapped(_EXPECTED, f"{PACKAGE}.ExpectedAttributeValue"),
    "AttributeUpdates": mapped(structure({"Action": text}), f"{PACKAGE}.AttributeValueUpdate"),
    "TransactItems": listed(structure(dict.fromkeys(("Put", "Delete", "Update", "ConditionCheck", "Get"), _ACTION))),
    "Parameters": listed(held),
    **dict.fromkeys(("Statements", "TransactStatements"), listed(_STATEMENT)),
}
"""Members of any operation."""

REQUEST_ITEMS: Mapping[str, Check] = {
    "BatchGetItem": mapped(structure({**_OF_ITEMS, "Keys": listed(VALUES)}), f"{PACKAGE}.KeysAndAttributes"),
    "BatchWriteItem": mapped(
        listed(structure({"PutRequest": structure({"Item": VALUES}), "DeleteRequest": structure({"Key": VALUES})})),
        f"java.util.List<{PACKAGE}.WriteRequest>",
    ),
}
"""The member RequestItems, by operation."""


def check(operation: str, members: Mapping[str, Any]) -> None:
    """Raises Refusal for the first member of another type."""
    for name, value in members.items():
        if (checked := MEMBERS.get(name)) is not None:
            checked(value)
        elif name == "RequestItems" and operation in REQUEST_ITEMS:
            REQUEST_ITEMS[operation](value)
