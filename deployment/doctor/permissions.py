"""Checks of the policy templates: named actions and resources, everything a function needs and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from deployment.doctor import needs
from deployment.doctor.check import Check, Verdict, failed
from deployment.doctor.findings import Findings
from deployment.doctor.needs import Need

UNRESTRICTED: Final = frozenset({"xray:PutTelemetryRecords", "xray:PutTraceSegments"})
"""Actions for which IAM has no resource."""
ENDS: Final = re.compile(
    r":execute-api:[^*?]+/(?:GET|POST|DELETE)/@connections/\*|:log-group:/aws/lambda/\$\{Function\}:\*"
)
"""Where a resource may end in `*`: an API's connections by one verb, streams of the function's own log group."""


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
    end = ENDS.search(resource)
    named = resource[: end.start()] if end and end.end() == len(resource) else resource
    return not _is_pattern(named)


def unneeded(findings: Findings) -> Verdict:
    return failed(
        f"{function} never does {action} on {resource}: take it out of .chalice/policy-{function}.json."
        for function, action, resource in _allowed(findings)
        if not _is_pattern(action)
        and not any(need.action == action and _matches(resource, need.resource) for need in needs.of(function))
    )


def missing(findings: Findings) -> Verdict:
    return failed(
        f"{function} could not do {need.action} on {need.resource}: allow it in .chalice/policy-{function}.json."
        for function, policy in _policies(findings).items()
        for need in sorted(needs.of(function), key=lambda need: (need.action, need.resource))
        if not any(_covers(action, resource, need) for action, resource in _pairs(policy))
    )


def _covers(action: str, resource: str, need: Need) -> bool:
    return _matches(action, need.action) and _matches(resource, need.resource)


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


def _matches(pattern: str, text: str) -> bool:
    return _expression(pattern).fullmatch(text) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"""
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))


PRACTICES: Final = "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege"
CHECKS: Final = (
    Check("policy-generated", "No policy is guessed from the code", PRACTICES, generated),
    Check("policy-actions", "Policies name each action", PRACTICES, actions),
    Check("policy-resources", "Policies name each resource", PRACTICES, resources),
    Check("policy-unneeded", "Policies allow nothing that a function does not do", PRACTICES, unneeded),
    Check("policy-missing", "Policies allow all that a function does", PRACTICES, missing),
)
