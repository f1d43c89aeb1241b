"""The check of the IAM policies: one file for each function, which names actions and resources."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from deployment.doctor.check import check
from deployment.doctor.findings import Findings, Grant
from deployment.plan import PlannedFunction

INTERFACES: Final = ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface")
"""Without these Lambda refuses to create a function in a VPC:

https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
"""
UNRESTRICTED: Final = frozenset(
    {
        *("xray:PutTelemetryRecords", "xray:PutTraceSegments", *INTERFACES),
        *("ec2:AssignPrivateIpAddresses", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
    }
)
"""Actions for which IAM has no resource, or AWS's own policy names none:

https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html
"""
PLACE: Final = re.compile(r"arn:(?:\*|[\w-]+):[\w-]+:(?:\*|[\w-]*):(?:\*|\d*):", re.ASCII)
"""Partition, region and account may be open: `package` fills in the stage's own."""
NAMED: Final = re.compile(
    r"""
    [^*?]+
    | (?:\* | \w+) / [^*?/]+ / (?:GET|POST|DELETE) / @connections/\*  # of any API: `package` fills in its id
    | log-group: [^*?]+ :\*                                           # the streams of a group
    | secret: [^*?]+ -\?{6}                                           # Secrets Manager's own suffix
    """,
    re.VERBOSE,
)
"""Resources that name one thing."""


@check(
    "policies",
    "Each function has a policy of its own that names actions and resources",
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege",
)
def policies(findings: Findings) -> Iterator[str]:
    ours, planned = {one.name for one in findings.stage.functions}, findings.plan.functions
    for name in sorted(ours - {one.name for one in planned}):
        yield f"app.py has no function {name}: take it out of FUNCTIONS in deployment/stage.py."
    users = Counter(one.policy_file for one in planned)
    for one in planned:
        if one.name not in ours:
            yield f"deployment/stage.py has no function {one.name}: add it to FUNCTIONS, and give it a policy."
        elif one.policy_file is None and one.role:
            yield (
                f"Chalice would guess the policy of {one.name} from its code: set autogen_policy to false in "
                ".chalice/config.json, and name a file in iam_policy_file."
            )
        elif one.policy_file is not None and users[one.policy_file] > 1:
            yield f"{one.name} shares {one.policy_file.name} with other functions: give it a policy file of its own."
        elif one.policy_file is not None:
            part = findings.policies[one.name]
            yield from [part.trouble] if part.value is None else _troubles(one, part.value)


def _troubles(function: PlannedFunction, grants: tuple[Grant, ...]) -> Iterator[str]:
    for grant in grants:
        if grant.has_condition:
            continue
        if "*" in grant.action or "?" in grant.action:
            yield f"The policy of {function.name} allows {grant.action}: name each action that it uses."
        elif not _is_narrow(grant):
            yield f"The policy of {function.name} allows {grant.action} on {grant.resource}: name the resource."
    if function.in_vpc:
        for action in INTERFACES:
            if not any(grant.allows(action) for grant in grants):
                yield f"{function.name} is in a VPC, and Lambda needs {action} there: allow it in its policy."


def _is_narrow(grant: Grant) -> bool:
    if grant.action in UNRESTRICTED:
        return True
    place = PLACE.match(grant.resource)
    return place is not None and NAMED.fullmatch(grant.resource, place.end()) is not None
