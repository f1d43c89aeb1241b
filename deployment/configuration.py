"""Which keys and value types `.chalice/config.json` and `.chalice/operations.json` may have. Reads no file.

Chalice ignores unknown keys, and passes on settings of a wrong type until AWS refuses them in mid-deploy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final


@dataclass(frozen=True)
class Kind:
    """The expected type of a value, in words."""

    said: str
    holds: Callable[[Any], bool]


def _whole(least: int, most: int) -> Kind:
    return Kind(f"a whole number from {least} to {most}", lambda value: type(value) is int and least <= value <= most)


def _matching(pattern: str, said: str) -> Kind:
    return Kind(said, lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None)


def _is_texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())


def _null_or(pattern: str, said: str) -> Kind:
    return Kind(f"null or {said}", lambda value: value is None or _matching(pattern, said).holds(value))


def _is_topics(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and value.keys() == {"page", "ticket"}
        and all(isinstance(topics, list) and all(isinstance(one, str) for one in topics) for topics in value.values())
    )


def _is_throttle(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and value.keys() == {"rate", "burst"}
        and all(type(one) is int for one in value.values())
    )


FLAG: Final = Kind("true or false", lambda value: isinstance(value, bool))
TEXT: Final = Kind("a text in quotes", lambda value: isinstance(value, str))
TEXTS: Final = Kind("an object of texts in quotes", _is_texts)
LIST: Final = Kind("a list", lambda value: isinstance(value, list))
OBJECT: Final = Kind("an object", lambda value: isinstance(value, Mapping))
THROTTLE: Final = Kind("an object of two whole numbers, rate and burst", _is_throttle)
NAME: Final = _matching(r"[\w-]{1,64}", "1 to 64 letters, digits, - and _, and nothing else")
APP: Final = _matching(r"[A-Za-z][A-Za-z0-9-]{0,63}", "1 to 64 letters, digits and -, a letter first")
STAGE: Final = _matching(r"[a-z0-9-]{1,32}", "1 to 32 small letters, digits and -")
"""Both are in the names of stacks:

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""

OF_A_FUNCTION: Final[Mapping[str, Kind]] = {
    "autogen_policy": FLAG,
    "environment_variables": TEXTS,
    "iam_policy_file": TEXT,
    "iam_role_arn": TEXT,
    "lambda_memory_size": _whole(128, 10_240),
    "lambda_timeout": _whole(1, 900),
    "layers": LIST,
    "log_retention_in_days": _whole(1, 3653),
    "manage_iam_role": FLAG,
    "reserved_concurrency": _whole(1, 1_000_000),
    "security_group_ids": LIST,
    "subnet_ids": LIST,
    "tags": TEXTS,
    "xray": FLAG,
}
"""https://aws.github.io/chalice/topics/configfile.html; ranges from
https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"""
OF_A_STAGE: Final[Mapping[str, Kind]] = {
    **OF_A_FUNCTION,
    "api_gateway_custom_domain": OBJECT,
    "api_gateway_endpoint_type": TEXT,
    "api_gateway_endpoint_vpce": Kind("a text or a list", lambda value: isinstance(value, (str, list))),
    "api_gateway_policy_file": TEXT,
    "api_gateway_stage": NAME,  # a part of ARNs, where a * would match more than one stage
    "automatic_layer": Kind("false: the functions' own zip holds their packages", lambda value: value is False),
    "lambda_architecture": _matching("x86_64|arm64", "x86_64 or arm64"),
    "lambda_functions": OBJECT,
    "minimum_compression_size": _whole(0, 10_485_760),
    "websocket_api_custom_domain": OBJECT,
}
OF_ALL: Final[Mapping[str, Kind]] = {
    **OF_A_STAGE,
    "app_name": APP,
    "stages": OBJECT,
    "version": TEXT,
}
OF_OPERATIONS: Final[Mapping[str, Kind]] = {
    "accepted": TEXTS,
    "account": _null_or(r"\d{12}", "the twelve digits of an account"),
    "alarm_topics": Kind("an object of two lists of texts, page and ticket", _is_topics),
    "http_throttle": THROTTLE,
    "kept": FLAG,
    "permissions_boundary": _null_or(r"arn:aws[\w-]*:iam::\w+:policy/\S+", "the ARN of a policy"),
    "region": _null_or(r"[a-z]{2,}(-[a-z]+)+-\d", "the name of a region"),
    "rollback_minutes": _whole(0, 180),
    "runtime": _matching(r"python3\.\d+", "a runtime of Lambda, such as python3.12"),
    "service_role": _null_or(r"arn:aws[\w-]*:iam::\d{12}:role/\S+", "the ARN of a role"),
    "websocket_throttle": THROTTLE,
}
DOMAINS: Final = frozenset({"api_gateway_custom_domain", "websocket_api_custom_domain"})
"""Chalice's plan fails on a machine that lacks its record of them, and a stage's deletion would take them along."""
UNREAD: Final = frozenset({"environment_variables", "tags"})
"""For a function, Chalice merges these from its stage's part alone."""


def problems(config: Mapping[str, Any], functions: tuple[str, ...]) -> Iterator[str]:
    """One sentence for each mistake in `config.json`."""
    yield from _of("config.json", (), config, OF_ALL)
    stages = _object(config.get("stages"))
    for where, part in [((), config), *((("stages", name), stage) for name, stage in stages.items())]:
        if where:
            yield from _of("config.json", where, part, OF_A_STAGE)
        for name, function in _object(_object(part).get("lambda_functions")).items():
            place = (*where, "lambda_functions", name)
            if name not in functions:
                yield _said("config.json", place, f"names no function of the app{_meant(name, functions)}.")
            yield from _of("config.json", place, function, OF_A_FUNCTION)
            for unread in sorted(UNREAD & _object(function).keys()) if not where else ():
                yield _said("config.json", (*place, unread), "is never read by Chalice: move it into a stage.")
    for name in stages:
        if not STAGE.holds(name):
            yield _said("config.json", ("stages", name), f"must be named by {STAGE.said}.")


def problems_of_operations(name: str, said: Any) -> Iterator[str]:
    """One sentence for each mistake in a stage's part of `operations.json`."""
    yield from _of("operations.json", (name,), said, OF_OPERATIONS)


def _of(file: str, where: tuple[str, ...], part: Any, kinds: Mapping[str, Kind]) -> Iterator[str]:
    if not isinstance(part, Mapping):
        yield _said(file, where, f"must be {OBJECT.said}.")
        return
    for key, value in part.items():
        if key not in kinds:
            yield _said(file, (*where, key), f"is not a setting{_meant(key, kinds)}.")
        elif key in DOMAINS:
            yield _said(file, (*where, key), "must go: a domain has its own stack, see docs/operations.md#two-domains.")
        elif not kinds[key].holds(value):
            yield _said(file, (*where, key), f"must be {kinds[key].said}.")


def _said(file: str, where: tuple[str, ...], what: str) -> str:
    return f"{'.'.join(where)} in .chalice/{file} {what}"


def _meant(key: str, known: Any) -> str:
    close = get_close_matches(key, list(known), n=1)
    return f"; is it {close[0]}?" if close else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
