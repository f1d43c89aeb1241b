"""Says which table and item, queue, topic, object, parameter or function a call of AWS is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pytest_sessionplugin.aws import iam
from pytest_sessionplugin.aws.iam import ARN, Asked
from pytest_sessionplugin.gateway.redaction import redacted, redacted_value

FEW = 3  # subjects that are shown of a batch
LONGEST = 100  # characters of a key
KIND = re.compile(r"(table/|parameter/|stream/|deliverystream/|event-bus/|key/|function:|secret:|stateMachine:)")
"""The word in front of a name in an ARN; the service says it already."""

_PLACEHOLDER = re.compile(r"[#:]\w+")
_ANY_ENDING = "-??????"  # of a secret, in a permission


@dataclass(frozen=True)
class Subject:
    """A table with the key of an item, or what else a call is about. `name` is that in AWS: `chat-dev-rooms`."""

    name: str
    key: Mapping[str, Any] | None = None  # in plain Python
    condition: str = ""  # of a query, with its values

    def __str__(self) -> str:
        shown = redacted(self.condition)
        if self.key is not None:
            shown = f"{{{', '.join(f'{name}: {redacted_value(name, value)}' for name, value in self.key.items())}}}"
        cut = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
        return f"{self.name} {cut}" if cut else self.name


def subjects(asked: Asked) -> tuple[Subject, ...]:
    """The subjects of a call in the order of its parameters; empty if it names none, or cannot be read."""
    try:
        return tuple(_RULES.get(asked.service, _by_permissions)(asked))
    except (LookupError, TypeError, AttributeError, ValueError):  # the client does not check its parameters
        return ()


def listed(found: Sequence[Subject]) -> str:
    """The subjects in one line, without those after the first few."""
    more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
    return ", ".join(map(str, found[:FEW])) + more


# --- DynamoDB


def _of_tables(asked: Asked) -> Iterator[Subject]:
    given, names = asked.parameters, asked.key_names
    match asked.operation:
        case "TransactWriteItems" | "TransactGetItems":
            for part in given["TransactItems"]:
                yield from (_item(each, names) for each in part.values())
        case "BatchGetItem":
            for table, wanted in given["RequestItems"].items():
                yield from (Subject(_named(table), _attributes(key)) for key in wanted["Keys"])
        case "BatchWriteItem":
            for table, writes in given["RequestItems"].items():
                for write in writes:
                    yield from (_item({"TableName": table, **each}, names) for each in write.values())
        case "Query" | "Scan":
            index = given.get("IndexName")
            name = _named(given["TableName"])
            yield Subject(f"{name}/{index}" if index else name, None, _condition(given))
        case _ if "TableName" in given:
            yield _item(given, names)
        case _:
            yield from _by_permissions(asked)


def _item(given: Mapping[str, Any], key_names: Mapping[str, Sequence[str]]) -> Subject:
    """The item of a read or a write. An item that is put has more than its key."""
    table = _named(given["TableName"])
    if "Key" in given:
        return Subject(table, _attributes(given["Key"]))
    if "Item" in given and table in key_names:
        return Subject(table, _attributes({name: given["Item"][name] for name in key_names[table]}))
    return Subject(table)


def _condition(given: Mapping[str, Any]) -> str:
    """The key condition of a query, with names and values in place of their placeholders."""
    names = given.get("ExpressionAttributeNames", {})
    values = {name: repr(each) for name, each in _attributes(given.get("ExpressionAttributeValues", {})).items()}
    known = {**names, **values}
    return _PLACEHOLDER.sub(lambda found: str(known.get(found[0], found[0])), given.get("KeyConditionExpression", ""))


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of DynamoDB's API in plain Python: numbers are int or float, binaries bytes."""
    return {name: _plain(value) for name, value in attributes.items()}


def _plain(value: Any) -> Any:
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return _number(held)
        case "NS":
            return {_number(each) for each in held}
        case "SS" | "BS":
            return set(held)
        case "L":
            return [_plain(each) for each in held]
        case "M":
            return _attributes(held)
        case "NULL":
            return None
    return held


def _number(text: str) -> int | float | Decimal:
    exact = Decimal(text)
    if exact == exact.to_integral_value():
        return int(exact)
    return float(exact) if Decimal(repr(float(exact))) == exact else exact


# --- other services


def _by_permissions(asked: Asked) -> Iterator[Subject]:
    """The resources of the permissions that the call needs."""
    names = [_named(need.resource).removesuffix(_ANY_ENDING) for need in iam.needs(asked) if need.resource is not None]
    yield from map(Subject, dict.fromkeys(names))


def _of_parameters(asked: Asked) -> Iterator[Subject]:
    """Names as the app writes them: their ARNs lack the first slash."""
    given = asked.parameters
    names = given.get("Names") or [name for name in (given.get("Name"), given.get("Path")) if name]
    yield from map(Subject, map(_named, names))


_RULES = {"dynamodb": _of_tables, "ssm": _of_parameters}


def _named(resource: str) -> str:
    """The name in an ARN; any other text is a name."""
    if not resource.startswith(ARN):
        return resource
    rest = resource.split(":", 5)[5]
    found = KIND.match(rest)
    return (rest[found.end() :] if found else rest).replace("/index/", "/")
