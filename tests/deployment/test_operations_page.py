"""The page of operations names exactly the checks of the doctor and the alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployment import stage
from deployment.doctor import registry
from deployment.doctor.account import registry as of_the_account
from deployment.monitoring import queries
from deployment.monitoring.alarm import Alarm
from deployment.monitoring.alarms import alarms
from tests.processes import ROOT

DEV = stage.read(ROOT, "dev")
PAGE = (ROOT / "docs" / "operations.md").read_text()


def rows(heading: str) -> Iterator[list[str]]:
    """Cells of the tables below a heading."""
    section = re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    for line in re.findall(r"^\| (.*) \|$", section, re.MULTILINE):
        yield line.split(" | ")


def named(heading: str) -> Iterator[str]:
    """Names in the first cells of the tables below a heading."""
    for cells in rows(heading):
        yield from re.findall(r"`([\w-]+)`", cells[0])


def test_each_check_of_the_doctor_is_on_the_page() -> None:
    checks = [check.id for check in (*registry.CHECKS, *of_the_account.CHECKS)]
    assert sorted(named("The doctor")) == sorted(checks)


def fires(alarm: Alarm, timeout: int) -> str:
    limit = f"{alarm.threshold:g}"
    if alarm.below:
        limit = "none"
    elif alarm.statistic != "Sum":
        share = f"{alarm.threshold / timeout / 10:g} % of its timeout" if timeout else f"{alarm.threshold / 1000:g} s"
        limit = f"{alarm.statistic} of {share}"
    return f"{limit} in 5 minutes" if alarm.of == 1 else f"{limit}, in {alarm.periods} of {alarm.of} periods"


def test_each_alarm_is_on_the_page_as_it_is_set() -> None:
    """Alarms that each function has share a row."""
    every = {alarm.name: alarm for alarm in alarms(DEV, {"Ref": "WebsocketAPI"})}
    expected = set()
    for kind in ("errors", "throttles", "duration"):
        for function in DEV.functions:
            alarm = every.pop(f"{function.name}-{kind}")
            row = (f"`{kind}` of each function", alarm.severity.value, fires(alarm, function.timeout))
            expected.add(row)
    expected |= {(f"`{name}`", alarm.severity.value, fires(alarm, 0)) for name, alarm in every.items()}
    assert {tuple(cells[:3]) for cells in rows("Alarms") if cells[0].startswith("`")} == expected


def test_a_saved_query_that_the_page_names_exists() -> None:
    named = re.findall(r"query `([\w-]+)`", PAGE)
    assert named
    assert set(named) <= {query.name for query in queries.queries(DEV)}
