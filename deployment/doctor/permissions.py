"""Checks of the policies: they name actions and resources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from deployment.doctor.check import Check, Verdict, failed
from deployment.doctor.findings import Findings

UNRESTRICTED: Final = frozenset({"xray:PutTelemetryRecords", "xray:PutTraceSegments"})
"""Actions for which IAM has no resource."""
OPEN: Final = re.compile(
    r"arn:\*:[^*?:]+:\*:\*:"
    r"(?:(?:\*/[^*?]+/(?:GET|POST|DELETE)/@connections/|log-group:/aws/lambda/[^*?]+:)\*|(?:[^*?]+?)(?:-\?{6})?)"
)
"""Resources whose partition, region, account and API are left open, and nothing else.

A log group ends in its streams; Secrets Manager adds six characters to a name.
"""


def generated(findings: Findings) -> Verdict:
    return failed(
        f"Chalice would write the policy of {one.name} itself, from what it takes the code to do: set autogen_policy "
        "to false in .chalice/config.json."
        for one in findings.plan.functions
        if one.policy_file is None
    )


def actions(findings: Findings) -> Verdict:
    return failed(
        f"The policy of {function} allows {action}: name each action that it uses."
        for function, action, _ in _allowed(findings)
        if _is_pattern(action)
    )


def resources(findings: Findings) -> Verdict:
    return failed(
        f"The policy of {function} allows {action} on {resource}: name the one thing that is meant."
        for function, action, resource in _allowed(findings)
        if not _is_narrow(action, resource)
    )


def _is_narrow(action: str, resource: str) -> bool:
    if action in UNRESTRICTED:
        return True
    return OPEN.fullmatch(resource) is not None or not _is_pattern(resource)


def _policies(findings: Findings) -> Mapping[str, Mapping[str, Any]]:
    """Raises NotRead if the functions are unknown."""
    findings.plan_part.get()
    return findings.policies


def _allowed(findings: Findings) -> Iterator[tuple[str, str, str]]:
    for function, policy in _policies(findings).items():
        for action, resource in _pairs(policy):
            yield function, action, resource


def _pairs(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for statement in policy["Statement"]:
        for action in statement["Action"]:
            for resource in statement["Resource"]:
                yield action, resource


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


PRACTICES: Final = "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege"
CHECKS: Final = (
    Check("policy-generated", "No policy is guessed from the code", PRACTICES, generated),
    Check("policy-actions", "Policies name each action", PRACTICES, actions),
    Check("policy-resources", "Policies name each resource", PRACTICES, resources),
)
