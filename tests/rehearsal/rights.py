"""The permissions of a policy, one by one: an action on a resource. Pure values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deployment.stage import FUNCTIONS
from tests.processes import ROOT

UNENFORCED: Final = {
    "WriteLogs": "MiniStack writes a function's logs without asking for its right to",
    "WriteTraces": "MiniStack has no X-Ray",
}
"""Sids of statements whose need no emulator can show: a unit test holds them."""
UNUSED: Final = {"ReadKeySecret": "the key of a stage stands in one place, and that of dev is a parameter"}
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
    """All permissions of the functions' templates that a stage like dev needs."""
    for function in FUNCTIONS:
        for statement in json.loads((ROOT / ".chalice" / f"policy-{function}.json").read_text())["Statement"]:
            if statement["Sid"] not in {**UNENFORCED, **UNUSED}:
                for action in statement["Action"]:
                    for number in range(len(statement["Resource"])):
                        yield Right(function, statement["Sid"], action, number)


def elsewhere(policy: Mapping[str, Any], right: Right) -> dict[str, Any]:
    """The policy with this permission moved to another resource of the same kind."""
    [statement] = [one for one in policy["Statement"] if one["Sid"] == right.sid]
    others = [one for one in policy["Statement"] if one is not statement]
    ours = statement["Resource"][right.resource]
    split = [
        {
            **statement,
            "Sid": f"{right.sid}Others",
            "Action": [one for one in statement["Action"] if one != right.action],
        },
        {
            **statement,
            "Action": [right.action],
            "Resource": [another(one) if one is ours else one for one in statement["Resource"]],
        },
    ]
    return {**policy, "Statement": [*others, *(one for one in split if one["Action"])]}


def another(arn: str) -> str:
    """The ARN of another table, parameter or API, with the same index, stage and method."""
    changed = NAME_IN_ARN.sub(r"\g<1>another", arn)
    assert changed != arn, f"{arn} is of a kind that is not known here"
    return changed
