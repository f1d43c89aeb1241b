"""Where a resource is, for a call that looked for it in another region or account and did not find it.

Of moto (5.1 to 5.2) this file knows where a service keeps its resources; `tests/aws/moto/test_regions.py` tries each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from moto.core.base_backend import BackendDict

from pytest_sessionplugin.aws import wire
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.errors import UnknownName

PLACES = {
    "dynamodb": "tables",
    "kinesis": "streams",
    "secretsmanager": "secrets",
    "sns": "topics",
    "sqs": "queues",
    "ssm": "_parameters",
}
"""Service -> the attribute of its backend with all resources by name, or by ARN."""

KINDS = {
    "dynamodb": "table",
    "kinesis": "stream",
    "secretsmanager": "secret",
    "sns": "topic",
    "sqs": "queue",
    "ssm": "parameter",
}
LOOKS = ("Describe", "GetQueueUrl")
"""Operations with which an app asks whether something is there."""

MADE = "Name it in the template or a decorator, or make it in `seed` or in a fixture."

NOT_FOUND = re.compile(r"NotFound|NonExistent|DoesNotExist|NoSuch")
_QUOTED = re.compile(r'"([^"]+)"')
_ACCOUNT = re.compile(r"arn:[^:]*:[^:]*:[^:]*:(\d{12}):.")
DEEP = 6  # levels of a request; names of tables in a transaction are on the fourth


def hint(service: str, account_id: str, region: str, request: Any, answer: Answer) -> str | None:
    """A sentence if the answer is that something is not found, and there is one of that name in another region or
    account.
    """
    if answer.status < 400 or service not in PLACES or not NOT_FOUND.search(wire.outcome(answer)):
        return None
    texts = list(_texts(_members(request)))
    asked = {_name(text) for text in texts}
    quoted = {name for text in texts for name in _QUOTED.findall(text)}  # in a statement of PartiQL
    places = _resources(service, account_id)
    here = places.pop(region, set())
    for text in texts:
        if (named := _ACCOUNT.match(text)) and named[1] != account_id and _name(text) in here:
            return (
                f"{_name(text)} is in the account {account_id}, as all that is emulated; this call named {named[1]}. "
                "Name the right ARN in a variable of [tool.sessionplugin.env], or monkeypatch the constant of the app."
            )
    missing = (asked | quoted) - here
    for other, names in places.items():
        if found := sorted(missing & names):
            return (
                f"{found[0]} is in {other}; this call went to {region}. "
                "AWS_DEFAULT_REGION in [tool.sessionplugin.env] is the region of the app and its tables."
            )
    return None


def missing(call: Call, account_id: str, region: str) -> str | None:
    """A sentence on the first resource of a call that is not there, with those that are; None for a look at it."""
    if call.service not in KINDS or call.operation.startswith(LOOKS):
        return None
    there = _resources(call.service, account_id).get(region, set())
    for subject in call.subjects:
        name = _name(subject.name).partition("/")[0] if call.service == "dynamodb" else subject.name
        if name not in there:
            unknown = str(UnknownName(KINDS[call.service], name, sorted(there)))
            return unknown if call.service == "dynamodb" else f"{unknown} {MADE}"
    return None


def _resources(service: str, account_id: str) -> dict[str, set[str]]:
    """Region -> the names of the resources of a service."""
    kind: Any = BackendDict  # its list of itself is not typed
    found: dict[str, set[str]] = {}
    for backends in kind._instances:
        if backends.service_name == service and account_id in backends:
            for region, backend in backends[account_id].items():
                found[region] = {_name(name) for name in list(vars(backend).get(PLACES[service], ()))}
    return found


def _name(text: str) -> str:
    """The name in an ARN or in the URL of a queue; any other text is a name."""
    if text.startswith("arn:"):
        return text.rpartition(":")[2].removeprefix("table/").partition("/")[0]
    return text.rpartition("/")[2] if "://" in text else text


def _members(request: Any) -> Any:
    body = wire.sent(request.body)
    try:
        return json.loads(body)
    except ValueError:
        return dict(parse_qsl(body.decode(errors="replace")))


def _texts(value: Any, deep: int = DEEP) -> Iterator[str]:
    """All texts of a request: names are values, and in batches keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and deep:
        for name, each in value.items():
            yield name
            yield from _texts(each, deep - 1)
    elif isinstance(value, list) and deep:
        for each in value:
            yield from _texts(each, deep - 1)
