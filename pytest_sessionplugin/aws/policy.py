"""An IAM policy file, and what it says of a permission. Pure but for reading the file; knows no call.

After "IAM JSON policy elements reference" and "Policy evaluation logic" in the IAM user guide. What cannot be judged
in a test, a Condition or a placeholder without a value, is taken as if it held in an Allow, and did not in a Deny.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_sessionplugin.aws.actions import Need
from pytest_sessionplugin.errors import PolicyError

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Patterns:
    """What an element of a statement lists. `but` are the elements whose name begins with Not."""

    patterns: tuple[str, ...]
    but: bool = False


@dataclass(frozen=True)
class Statement:
    """One statement. `name` is its Sid, or its place in the file."""

    name: str
    allows: bool
    actions: Patterns
    resources: Patterns
    unsure: bool = False  # it has a condition, or names something that is not known here

    def concerns(self, need: Need) -> bool:
        named = any(_matches(pattern.lower(), need.action.lower()) for pattern in self.actions.patterns)
        return named != self.actions.but and self._covers(need.resource)

    def _covers(self, resource: str | None) -> bool:
        if resource is None:  # not known: it may be one that an Allow names, and need not be one that a Deny does
            return self.allows or (not self.resources.but and "*" in self.resources.patterns)
        return any(_covers(pattern, resource) for pattern in self.resources.patterns) != self.resources.but


@dataclass(frozen=True)
class Policy:
    """The statements of one file."""

    statements: tuple[Statement, ...]

    def why_not(self, need: Need) -> str | None:
        """Why it does not allow this, or None if it does."""
        concerned = [statement for statement in self.statements if statement.concerns(need)]
        for statement in concerned:
            if not statement.allows and not statement.unsure:
                return f"{statement.name} denies it"
        return None if any(statement.allows for statement in concerned) else "no statement allows it"


def read(path: Path, variables: Mapping[str, str] | None = None) -> Policy:
    """The policy of a file, with `${Name}` in its resources as `variables` say. Raises PolicyError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(path, "there is no such file; name one from the project's folder on.") from error
    except ValueError as error:
        raise PolicyError(path, f"it is not JSON: {error}.") from error
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyError(path, 'it has no "Statement", which is a list of what it allows and denies.')
    return Policy(
        tuple(_statement(path, number, one, variables or {}) for number, one in enumerate(statements, start=1))
    )


def _statement(path: Path, number: int, written: Any, variables: Mapping[str, str]) -> Statement:
    name = f"statement {number}"
    if not isinstance(written, dict) or written.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(path, f'{name} has no "Effect" that is "Allow" or "Deny".')
    resources = _patterns(path, name, written, "Resource")
    filled = [_PLACEHOLDER.sub(lambda found: variables.get(found[1], found[0]), one) for one in resources.patterns]
    return Statement(
        name=f"the statement {written['Sid']}" if written.get("Sid") else name,
        allows=written["Effect"] == "Allow",
        actions=_patterns(path, name, written, "Action"),
        resources=Patterns(tuple(_PLACEHOLDER.sub("*", one) for one in filled), resources.but),
        unsure=bool(written.get("Condition")) or any(map(_PLACEHOLDER.search, filled)),
    )


def _patterns(path: Path, name: str, statement: Mapping[str, Any], element: str) -> Patterns:
    present = [key for key in (element, f"Not{element}") if key in statement]
    if len(present) != 1:
        raise PolicyError(path, f'{name} must have either "{element}" or "Not{element}".')
    value = statement[present[0]]
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise PolicyError(path, f'"{present[0]}" of {name} must be a text or a list of texts.')
    return Patterns(tuple(patterns), present[0] != element)


def _covers(pattern: str, arn: str) -> bool:
    """Whether the resource is one of those. What a test makes up is not compared: partition, region, account, API id.

    A part that is empty is no made-up one: `arn:aws:s3:eu-west-1::bucket` names no bucket.
    """
    theirs, ours = pattern.split(":", 5), arn.split(":", 5)
    if theirs[0] != "arn":
        return _matches(pattern, arn)
    if len(theirs) < 6:  # a * at the end stands for the rest
        return pattern.endswith("*") and all(map(_matches, theirs[2:3], ours[2:3]))
    if any(bool(there) != bool(here) for there, here in zip(theirs[3:5], ours[3:5], strict=True)):
        return False
    service, resource = ours[2], ours[5]
    return _matches(theirs[2], service) and _matches(_with_ids_of_tests(service, theirs[5], resource), resource)


def _with_ids_of_tests(service: str, pattern: str, resource: str) -> str:
    if service == "secretsmanager":  # six random characters end the ARN of a secret
        return re.sub(r"-\w{6}$", "-??????", pattern)
    api, slash, rest = pattern.partition("/")
    if service == "execute-api" and slash and not set(api) & set("*?"):
        return f"{resource.partition('/')[0]}/{rest}"
    return pattern


def _matches(pattern: str, text: str) -> bool:
    return _expression(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
