"""The permissions of a policy, one by one: an action on a resource. Pure values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deployment.stage import FUNCTIONS
from tests.processes import ROOT

POLICIES: Final = ROOT / ".chalice" / "policies" / "dev"
UNENFORCED: Final = {
    "MakeLogs": "a stage's stack makes the log groups",
    "WriteLogs": "MiniStack writes a function's logs without asking for its right to",
    "WriteTraces": "MiniStack has no X-Ray",
}
"""Sids of statements whose need no emulator can show: a unit test holds them."""
REMEMBERED: Final = {"Readiness", "ReadKeyParameter"}
"""Sids of statements whose answers a function caches: it has to restart to ask again."""
NAME_IN_ARN: Final = re.compile(r"(:table/|:parameter/|:execute-api:[^:]*:[^:]*:)")


@dataclass(frozen=True)
class Right:
    """One permission. `resource` is an index in its statement; only a stage knows the text."""

    function: str
    sid: str
    action: str
    resource: int

    def __str__(self) -> str:
        return f"{self.function}-{self.sid}-{self.action}-{self.resource}"


def rights() -> Iterator[Right]:
    """All permissions of the functions of dev that an emulator enforces."""
    for function in FUNCTIONS:
        for statement in json.loads((POLICIES / f"{function}.json").read_text())["Statement"]:
            if statement["Sid"] not in UNENFORCED:
                for action in statement["Action"]:
                    for number in range(len(statement["Resource"])):
                        yield Right(function, statement["Sid"], action, number)


def without(policy: Mapping[str, Any], right: Right) -> dict[str, Any]:
    """The policy without this permission."""
    return _split(policy, right, lambda resources: [one for one in resources if one != resources[right.resource]])


def elsewhere(policy: Mapping[str, Any], right: Right) -> dict[str, Any]:
    """The policy with this permission moved to another resource of the same kind."""
    return _split(
        policy,
        right,
        lambda resources: [another(one) if one == resources[right.resource] else one for one in resources],
    )


def _split(policy: Mapping[str, Any], right: Right, moved: Callable[[list[str]], list[str]]) -> dict[str, Any]:
    """The policy with other resources for one action of a statement."""
    [statement] = [one for one in policy["Statement"] if one["Sid"] == right.sid]
    others = [one for one in policy["Statement"] if one is not statement]
    rest = [one for one in statement["Action"] if one != right.action]
    split = [
        {**statement, "Sid": f"{right.sid}Others", "Action": rest},
        {**statement, "Action": [right.action], "Resource": moved(statement["Resource"])},
    ]
    return {**policy, "Statement": [*others, *(one for one in split if one["Action"] and one["Resource"])]}


def another(arn: str) -> str:
    """The ARN of another table, parameter or API, with the same index, stage and method."""
    changed = NAME_IN_ARN.sub(r"\g<1>another", arn)
    assert changed != arn, f"{arn} is of a kind that is not known here"
    return changed
