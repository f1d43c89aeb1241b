"""Checks of the tables' template, with the stage's parameters filled in as CloudFormation would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deployment.doctor.check import check
from deployment.doctor.findings import Findings
from deployment.stage import TABLES

GUIDE: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"
TRUE: Final = (True, "true")
EXPIRES: Final = "purgeAt"
"""The TTL attribute: when a row expires, in seconds since the epoch."""


@check("table-names", "The functions know the names of all tables", f"{GUIDE}/HowItWorks.CoreComponents.html")
def names(findings: Findings) -> Iterator[str]:
    if findings.template_part.trouble:
        yield findings.template_part.trouble
        return
    tables = _tables(findings)
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
    for logical, table in _tables(findings).items():
        if table.get("TimeToLiveSpecification") != {"AttributeName": EXPIRES, "Enabled": True}:
            yield (
                f"The table {logical} keeps its rows for ever: set its TimeToLiveSpecification in "
                f".chalice/resources.json to the attribute {EXPIRES}, enabled."
            )


@check("table-protection", "Tables of a stage that is kept are protected", f"{GUIDE}/WorkingWithTables.Basics.html")
def protection(findings: Findings) -> Iterator[str]:
    for logical, table in _tables(findings).items() if findings.stage.kept else ():
        restorable = table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        if table.get("DeletionProtectionEnabled") not in TRUE or restorable not in TRUE:
            yield (
                f"The table {logical} could be deleted, or not be restored: in .chalice/resources.json, set "
                'DeletionProtectionEnabled and PointInTimeRecoveryEnabled to {"Ref": "Kept"}.'
            )


def _tables(findings: Findings) -> dict[str, dict[str, Any]]:
    """Properties of the tables, with the stage's values for `Ref` and `Fn::Sub`."""
    given = {"Stage": findings.name, "Kept": str(findings.stage.kept).lower()}
    return {
        logical: _resolved(one.get("Properties", {}), given)
        for logical, one in findings.template.get("Resources", {}).items()
        if one.get("Type") == "AWS::DynamoDB::Table"
    }


def _resolved(value: Any, given: Mapping[str, str]) -> Any:
    match value:
        case {"Ref": str(name)} if name in given:
            return given[name]
        case {"Fn::Sub": str(text)}:
            for name, meant in given.items():
                text = text.replace(f"${{{name}}}", meant)
            return text
        case dict():
            return {name: _resolved(inner, given) for name, inner in value.items()}
        case _:
            return value
