"""The page of operations names exactly the checks of the doctor and the alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployment import stage
from deployment.doctor import registry
from deployment.doctor.account import registry as of_the_account
from deployment.monitoring import alarms
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()


def named(heading: str) -> Iterator[str]:
    """Names in the first cells of the tables below a heading."""
    section = re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    for row in re.findall(r"^\| (.*?) \|", section, re.MULTILINE):
        yield from re.findall(r"`([\w-]+)`", row)


def test_each_check_of_the_doctor_is_on_the_page() -> None:
    checks = [check.id for check in (*registry.CHECKS, *of_the_account.CHECKS)]
    assert sorted(named("The doctor")) == sorted(checks)


def test_each_alarm_is_on_the_page() -> None:
    dev = stage.read(ROOT, "dev")
    names = {alarm.name for alarm in alarms.alarms(dev, {"Ref": "WebsocketApi"})}
    kinds = {name.rpartition("-")[2] for name in names}
    of_each = {kind for kind in kinds if {f"{function.name}-{kind}" for function in dev.functions} <= names}
    others = names - {f"{function.name}-{kind}" for function in dev.functions for kind in of_each}
    assert of_each
    assert sorted(named("Alarms")) == sorted(of_each | others)
