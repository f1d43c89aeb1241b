"""Checks of the data plane's requests before any table is looked at, in DynamoDB's order and words.

Limits: "Quotas in Amazon DynamoDB" in the developer guide, and the API reference of each operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytest_sessionplugin.aws.dynamodb import kinds
from pytest_sessionplugin.aws.dynamodb.values import INVALID, SETS, Refusal, checked, checked_item

Members = dict[str, Any]
"""The members of a request or of an answer, as JSON has them."""

NAME = re.compile(r"[a-zA-Z0-9_.-]+")
PLACEHOLDER = re.compile(r"[#:][A-Za-z0-9_]+")
MOST_WRITES, MOST_READS, MOST_IN_TRANSACTION, MOST_STATEMENTS = 25, 100, 100, 25
LONGEST_TOKEN = 36
LARGEST_LIMIT = 2**31 - 1

NOT_NULL = "Member must not be null"
NOT_EMPTY = "Member must have length greater than or equal to 1"

MODES = {
    "ReturnConsumedCapacity": ("INDEXES", "TOTAL", "NONE"),
    "ReturnItemCollectionMetrics": ("SIZE", "NONE"),
    "Select": ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"),
    "ReturnValuesOnConditionCheckFailure": ("ALL_OLD", "NONE"),
    "ConditionalOperator": ("OR", "AND"),
    "ReturnValues": ("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"),
}
"""Members with a fixed set of values, in the order in which DynamoDB reports them."""

ITEM_OPERATIONS = {"GetItem", "PutItem", "DeleteItem", "UpdateItem", "Query", "Scan"}

EXPRESSIONS: Mapping[str, tuple[str, ...]] = {
    "PutItem": ("ConditionExpression",),
    "DeleteItem": ("ConditionExpression",),
    "UpdateItem": ("UpdateExpression", "ConditionExpression"),
    "GetItem": ("ProjectionExpression",),
    "Query": ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"),
    "Scan": ("ProjectionExpression", "FilterExpression"),
}
LEGACY: Mapping[str, tuple[str, ...]] = {
    "PutItem": ("Expected", "ConditionalOperator"),
    "DeleteItem": ("Expected", "ConditionalOperator"),
    "UpdateItem": ("AttributeUpdates", "Expected", "ConditionalOperator"),
    "GetItem": ("AttributesToGet",),
    "Query": ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"),
    "Scan": ("AttributesToGet", "ScanFilter", "ConditionalOperator"),
}
ACTIONS: Mapping[str, str] = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem"}


def checked_request(operation: str, members: Members) -> Members:
    """The request with its values checked and in one spelling. Raises Refusal."""
    members = {name: value for name, value in members.items() if value is not None}
    kinds.check(operation, members)
    if operation in ITEM_OPERATIONS:
        report(broken_names(members.get("TableName")))
    report(_broken(operation, members))
    if (check := _CHECKS.get(operation)) is not None:
        check(members)
    if operation in LEGACY:
        _check_mixture(operation, members)
    if operation == "Scan":
        _check_segments(members)
    if operation in EXPRESSIONS:
        check_placeholders(members, EXPRESSIONS[operation])
        check_distinct(members.get("AttributesToGet"))
    return _spelt(operation, members)


# --- constraints of members


def broken(value: str, place: str, rule: str) -> str:
    return f"Value {value} at '{place}' failed to satisfy constraint: {rule}"


def report(found: list[str]) -> None:
    """Raises one Refusal for all broken constraints, if there are any."""
    if found:
        errors = "errors" if len(found) > 1 else "error"
        raise Refusal(f"{len(found)} validation {errors} detected: {'; '.join(found)}")


def broken_names(name: str | None, place: str = "tableName", least: int = 1) -> list[str]:
    """The broken constraints of a table's name or ARN."""
    if name is None:
        return [broken("null", place, NOT_NULL)]
    if name.startswith("arn:"):
        return []
    found = []
    if len(name) < least:
        found.append(broken(f"'{name}'", place, f"Member must have length greater than or equal to {least}"))
    if len(name) > 255:
        found.append(broken(f"'{name}'", place, "Member must have length less than or equal to 255"))
    if name and not NAME.fullmatch(name):
        pattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        found.append(broken(f"'{name}'", place, pattern))
    return found


def in_members(name: str) -> str:
    """The name of a member as messages write it: `tableName`."""
    return f"{name[0].lower()}{name[1:]}"


def _broken_mode(name: str, value: str | None, place: str) -> list[str]:
    """The broken constraint of a member of MODES."""
    if value is None or value in MODES[name]:
        return []
    return [broken(f"'{value}'", place, f"Member must satisfy enum value set: [{', '.join(MODES[name])}]")]


def _broken(operation: str, members: Members) -> list[str]:
    """All constraints of the operation's members that are broken."""
    found: list[str] = []
    for name in MODES:
        if name in members:
            found += _broken_mode(name, members[name], in_members(name))
    if operation == "Query" and members.get("Limit", 1) < 1:
        raise Refusal(
            "1 validation error detected: Value at 'Limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1"
        )
    for name, (least, most) in _RANGES.items():
        if operation == "Scan" and (number := members.get(name)) is not None and not least <= number <= most:
            bound = f"greater than or equal to {least}" if number < least else f"less than or equal to {most}"
            found.append(broken(f"'{number}'", in_members(name), f"Member must have value {bound}"))
    for name in _REQUIRED.get(operation, ()):
        if name not in members:
            found.append(broken("null", in_members(name), NOT_NULL))
    for name in _CONDITIONS.get(operation, ()):
        for attribute, given in members.get(name, {}).items():
            if given.get("ComparisonOperator") is None:
                found.append(broken("null", f"{in_members(name)}.{attribute}.member.comparisonOperator", NOT_NULL))
    if operation in ITEM_OPERATIONS and "IndexName" in members:
        found += broken_names(members["IndexName"], "indexName", least=3)
    if "AttributesToGet" in members and not members["AttributesToGet"]:
        found.append(broken("'[]'", "attributesToGet", NOT_EMPTY))
    found += _broken_lists(operation, members)
    if len(members.get("ClientRequestToken", "")) > LONGEST_TOKEN:
        rule = f"Member must have length less than or equal to {LONGEST_TOKEN}"
        found.append(broken(f"'{members['ClientRequestToken']}'", "clientRequestToken", rule))
    return found


_RANGES = {"Limit": (1, LARGEST_LIMIT), "TotalSegments": (1, 1_000_000), "Segment": (0, 999_999)}
_CONDITIONS = {"Query": ("KeyConditions", "QueryFilter"), "Scan": ("ScanFilter",)}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "PutItem": ("Item",),
    **dict.fromkeys(("GetItem", "DeleteItem", "UpdateItem"), ("Key",)),
    "ExecuteStatement": ("Statement",),
}


def _broken_lists(operation: str, members: Members) -> list[str]:
    if operation not in _LISTS:
        return []
    name, kind, most = _LISTS[operation]
    given = members.get(name, [])
    if not given:
        return [broken("'[]'", in_members(name), NOT_EMPTY)]
    if len(given) > most:
        objects = ", ".join(f"{kinds.PACKAGE}.{kind}@{number:x}" for number in range(len(given)))
        rule = f"Member must have length less than or equal to {most}"
        return [broken(f"'[{objects}]'", in_members(name), rule)]
    return []


_LISTS = {
    "TransactWriteItems": ("TransactItems", "TransactWriteItem", MOST_IN_TRANSACTION),
    "TransactGetItems": ("TransactItems", "TransactGetItem", MOST_IN_TRANSACTION),
    "BatchExecuteStatement": ("Statements", "BatchStatementRequest", MOST_STATEMENTS),
    "ExecuteTransaction": ("TransactStatements", "ParameterizedStatement", MOST_IN_TRANSACTION),
}


# --- batches


def _check_batch_write(members: Members) -> None:
    requests = _requests("BatchWriteItem", members)
    for name in requests:
        report(broken_names(name))
    if sum(map(len, requests.values())) > MOST_WRITES or not all(requests.values()):
        shown = ", ".join(
            f"{name}=[{', '.join(f'{kinds.PACKAGE}.WriteRequest' for _ in writes)}]"
            for name, writes in requests.items()
        )
        raise Refusal(
            f"1 validation error detected: Value '{{{shown}}}' at 'requestItems' failed to satisfy constraint: Map "
            f"value must satisfy constraint: [Member must have length less than or equal to {MOST_WRITES}, "
            f"{NOT_EMPTY}]"
        )
    for name, writes in requests.items():
        for at, write in enumerate(writes, 1):
            if len(write) != 1 or None in write.values() or not write.keys() <= _WRITES.keys():
                raise Refusal("Supplied WriteRequest must contain exactly one of PutRequest or DeleteRequest")
            ((kind, asked),) = write.items()
            report(_absent(asked, [_WRITES[kind]], f"requestItems.{name}.member.{at}.member.{in_members(kind)}"))


_WRITES = {"PutRequest": "Item", "DeleteRequest": "Key"}


def _absent(asked: Members, needed: Iterable[str], place: str) -> list[str]:
    """The broken constraints of required members of a part of a request."""
    return [broken("null", f"{place}.{in_members(name)}", NOT_NULL) for name in needed if asked.get(name) is None]


def _check_batch_get(members: Members) -> None:
    requests = _requests("BatchGetItem", members)
    for name, asked in requests.items():
        report(broken_names(name))
        place = f"requestItems.{name}.member"
        report(_absent(asked, ["Keys"], place))
        if not asked["Keys"]:
            report([broken("'[]'", f"{place}.keys", NOT_EMPTY)])
        if len(asked["Keys"]) > MOST_READS:
            raise Refusal(
                f"1 validation error detected: Value at 'RequestItems.{name}.member.Keys' failed to satisfy "
                f"constraint: Member must have length less than or equal to {MOST_READS}"
            )
        if asked.get("AttributesToGet") and asked.get("ProjectionExpression") is not None:
            raise _mixture(["AttributesToGet"], ["ProjectionExpression"])
        check_placeholders(asked, ("ProjectionExpression",))
        check_distinct(asked.get("AttributesToGet"))
    if sum(len(asked["Keys"]) for asked in requests.values()) > MOST_READS:
        raise Refusal("Too many items requested for the BatchGetItem call")


def _requests(operation: str, members: Members) -> dict[str, Any]:
    requests: dict[str, Any] = members.get("RequestItems") or {}
    if not requests:
        raise Refusal(f"The requestItems parameter is required for {operation}")
    return requests


def _check_transact_write(members: Members) -> None:
    for at, entry in enumerate(members["TransactItems"], 1):
        if len(entry) != 1 or None in entry.values() or not entry.keys() <= _NEEDED.keys():
            raise Refusal("TransactItems can only contain one of Check, Put, Update or Delete")
        ((action, asked),) = entry.items()
        _check_part(asked, _NEEDED[action], f"transactItems.{at}.member.{in_members(action)}")
        check_placeholders(asked, EXPRESSIONS[ACTIONS.get(action, "DeleteItem")])


_NEEDED = {
    "Put": ("Item",),
    "Update": ("Key", "UpdateExpression"),
    "Delete": ("Key",),
    "ConditionCheck": ("Key", "ConditionExpression"),
}
"""Actions of a transaction, and the members that they need besides TableName."""


def _check_transact_get(members: Members) -> None:
    for at, entry in enumerate(members["TransactItems"], 1):
        place = f"transactItems.{at}.member"
        report(_absent(entry, ["Get"], place))
        _check_part(entry["Get"], ("Key",), f"{place}.get")
        check_placeholders(entry["Get"], ("ProjectionExpression",))


def _check_part(asked: Members, needed: Iterable[str], place: str) -> None:
    """Raises Refusal for broken constraints of one action of a transaction."""
    report(broken_names(asked.get("TableName"), f"{place}.tableName") + _absent(asked, needed, place))
    failure = "ReturnValuesOnConditionCheckFailure"
    report(_broken_mode(failure, asked.get(failure), f"{place}.{in_members(failure)}"))


_CHECKS: Mapping[str, Callable[[Members], None]] = {
    "BatchWriteItem": _check_batch_write,
    "BatchGetItem": _check_batch_get,
    "TransactWriteItems": _check_transact_write,
    "TransactGetItems": _check_transact_get,
}


# --- combinations of members


def _check_mixture(operation: str, members: Members) -> None:
    old = [name for name in LEGACY[operation] if name in members]
    new = [name for name in EXPRESSIONS[operation] if name in members]
    if "KeyConditionExpression" not in members and "KeyConditions" in old:
        old.remove("KeyConditions")  # they go with a filter and a projection of either API
    if old and new:
        raise _mixture(old, new)


def _mixture(old: Iterable[str], new: Iterable[str]) -> Refusal:
    return Refusal(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        f"{{{', '.join(old)}}} Expression parameters: {{{', '.join(new)}}}"
    )


def _check_segments(members: Members) -> None:
    segment, total = members.get("Segment"), members.get("TotalSegments")
    if segment is not None and total is None:
        raise Refusal(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is "
            "present"
        )
    if segment is None and total is not None:
        raise Refusal(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is "
            "present"
        )
    if segment is not None and total is not None and segment >= total:
        raise Refusal(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )


def check_distinct(names: list[str] | None) -> None:
    """Raises Refusal for an attribute that AttributesToGet names twice."""
    if names and (twice := next((name for at, name in enumerate(names) if name in names[:at]), None)) is not None:
        raise Refusal(f"{INVALID}Duplicate value in attribute name: {twice}")


def check_placeholders(members: Members, expressions: tuple[str, ...]) -> None:
    """Raises Refusal for placeholders without an expression, and for impossible ones."""
    names, values = members.get("ExpressionAttributeNames"), members.get("ExpressionAttributeValues")
    if names is None and values is None:
        return
    given = {name for name in expressions if members.get(name) is not None}
    if names is not None and not given:
        raise Refusal("ExpressionAttributeNames can only be specified when using expressions")
    with_values = [name for name in expressions if name != "ProjectionExpression"]
    if values is not None and given.isdisjoint(with_values):
        missing = f"{' and '.join(with_values)} {'are' if len(with_values) > 1 else 'is'} null"
        raise Refusal(
            "ExpressionAttributeValues can only be specified when using expressions"
            + (f": {missing}" if with_values else "")
        )
    for what, mark, each in (("Names", "#", names), ("Values", ":", values)):
        if each is None:
            continue
        if not each:
            raise Refusal(f"ExpressionAttribute{what} must not be empty")
        for name in each:
            if not PLACEHOLDER.fullmatch(name) or name[0] != mark:
                raise Refusal(f'ExpressionAttribute{what} contains invalid key: Syntax error; key: "{name}"')


# --- values


def _spelt(operation: str, members: Members) -> Members:
    """The request with its values in one spelling. Raises Refusal."""
    found = _with_items(members)
    if operation == "BatchWriteItem":
        found["RequestItems"] = {
            name: [{kind: _with_items(asked) for kind, asked in write.items()} for write in writes]
            for name, writes in members["RequestItems"].items()
        }
    elif operation == "BatchGetItem":
        found["RequestItems"] = {
            name: {**asked, "Keys": [checked_item(key) for key in asked["Keys"]]}
            for name, asked in members["RequestItems"].items()
        }
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        found["TransactItems"] = [
            {action: _with_items(asked) for action, asked in entry.items()} for entry in members["TransactItems"]
        ]
    return found


def _with_items(members: Members) -> Members:
    found = dict(members)
    if members.get("ExpressionAttributeValues"):
        found["ExpressionAttributeValues"] = {
            name: _placed(name, value) for name, value in members["ExpressionAttributeValues"].items()
        }
    for name in ("Item", "Key"):
        if members.get(name):
            found[name] = checked_item(members[name])
    if "ExclusiveStartKey" in members:
        found["ExclusiveStartKey"] = {name: _start(value) for name, value in members["ExclusiveStartKey"].items()}
    for name in ("AttributeUpdates", "Expected", "KeyConditions", "QueryFilter", "ScanFilter"):
        if members.get(name):
            found[name] = {attribute: _with_values(given) for attribute, given in members[name].items()}
    return found


def _placed(name: str, value: Any) -> Any:
    try:
        return checked(value)
    except Refusal as refusal:
        message = f"ExpressionAttributeValues contains invalid value: {refusal.message} for key {name}"
        raise Refusal(message, refusal.code) from None


def _start(value: Any) -> Any:
    """A value of a start key. Refusals of numbers and of sets do not name the key."""
    try:
        return checked(value)
    except Refusal as refusal:
        unnamed = isinstance(value, dict) and not value.keys().isdisjoint(SETS | {"N"})
        if unnamed or refusal.code != "ValidationException":
            raise
        raise Refusal(f"The provided starting key is invalid: {refusal.message}") from None


def _with_values(given: Members) -> Members:
    found = dict(given)
    if given.get("Value") is not None:
        found["Value"] = checked(given["Value"])
    if given.get("AttributeValueList") is not None:
        found["AttributeValueList"] = [checked(value) for value in given["AttributeValueList"]]
    return found
