"""Checks of the tables' template, with the stage's parameters filled in as CloudFormation would."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from deployment.doctor.check import check
from deployment.doctor.findings import Findings
from deployment.stage import TABLES

GUIDE: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"
EXPIRES: Final = "purgeAt"
"""The TTL attribute: when a row expires, in seconds since the epoch."""


@check("table-names", "The functions know the names of all tables", f"{GUIDE}/HowItWorks.CoreComponents.html")
def names(findings: Findings) -> Iterator[str]:
    if findings.template_part.trouble:
        yield findings.template_part.trouble
        return
    tables = _tables(findings)
    pattern = _object(_object(findings.template.get("Parameters")).get("Stage")).get("AllowedPattern", ".*")
    if re.fullmatch(pattern, findings.name) is None:
        yield f"CloudFormation would refuse {findings.name} as the Stage of .chalice/resources.json: name it {pattern}."
    for logical, variable in TABLES.items():
        if logical not in tables:
            yield f"The app uses the table {logical}, and .chalice/resources.json has none: describe it there."
            continue
        made = tables[logical].get("TableName")
        for one in findings.plan.functions:
            told = one.environment.get(variable)
            if told is not None and told != made:  # a missing variable is reported by the service's own check
                yield f"{variable} of {one.name} is {told}, and the table is {made}: make them the same."
    for logical in sorted(tables.keys() - TABLES.keys()):
        yield f"No function is told the name of the table {logical}: give it one in TABLES of deployment/stage.py."


@check("table-ttl", f"Rows leave each table at {EXPIRES}", f"{GUIDE}/TTL.html")
def expiry(findings: Findings) -> Iterator[str]:
    wanted = {"AttributeName": EXPIRES, "Enabled": True}
    return _each(
        findings,
        lambda table: table.get("TimeToLiveSpecification") == wanted,
        f"keeps its rows for ever: set TimeToLiveSpecification to the attribute {EXPIRES}, enabled",
    )


@check(
    "table-protection",
    "Tables of a stage that is kept cannot be deleted, and can be restored",
    f"{GUIDE}/WorkingWithTables.Basics.html#WorkingWithTables.Basics.DeletionProtection",
)
def protection(findings: Findings) -> Iterable[str]:
    if not findings.stage.kept:
        return ()
    return _each(
        findings,
        lambda table: (
            _is_true(table.get("DeletionProtectionEnabled"))
            and _is_true(_object(table.get("PointInTimeRecoverySpecification")).get("PointInTimeRecoveryEnabled"))
        ),
        "could be deleted, or not be restored, in a stage that is kept: set DeletionProtectionEnabled and "
        'PointInTimeRecoveryEnabled to {"Ref": "Kept"}',
    )


def _each(findings: Findings, holds: Callable[[Mapping[str, Any]], bool], trouble: str) -> Iterator[str]:
    for logical, table in _tables(findings).items():
        if not holds(table):
            yield f"The table {logical} {trouble} in .chalice/resources.json."


def _tables(findings: Findings) -> dict[str, Mapping[str, Any]]:
    """Properties of the tables, with the stage's values for `Ref` and `Fn::Sub`."""
    known = {"Stage": findings.name, "Kept": str(findings.stage.kept).lower()}
    declared = _object(findings.template.get("Parameters"))
    given = {name: value for name, value in known.items() if name in declared}
    return {
        logical: _resolved(one["Properties"], given)
        for logical, one in findings.template["Resources"].items()
        if one["Type"] == "AWS::DynamoDB::Table"
    }


def _resolved(value: Any, given: Mapping[str, str]) -> Any:
    match value:
        case {"Ref": str(name), **rest} if not rest and name in given:
            return given[name]
        case {"Fn::Sub": str(text), **rest} if not rest:
            for name, meant in given.items():
                text = text.replace(f"${{{name}}}", meant)
            return text
        case dict():
            return {name: _resolved(inner, given) for name, inner in value.items()}
        case _:
            return value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_true(value: object) -> bool:
    return value is True or value == "true"
