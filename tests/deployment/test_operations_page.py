"""The page of operations names what is there: checks, alarms, queries, states, commands, options, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.rates import BURST, FAR, Limits
from deployment import stage
from deployment.__main__ import parser
from deployment.doctor import registry
from deployment.monitoring import queries
from deployment.monitoring.alarm import Alarm
from deployment.monitoring.alarms import ROLLBACK, alarms
from deployment.stacks import STUCK
from tests.deployment.runbook import PAGE, named, rows, section
from tests.processes import ROOT

DEV = stage.read(ROOT, "dev")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LINES = 480
NAMES = re.compile(r"`([A-Z_]+)`")
CELL = 90  # characters: a cell is a line of its own


def test_each_check_of_the_doctor_is_on_the_page() -> None:
    checks = {check.id for check in (*registry.CHECKS, *registry.CHECKS_OF_ACCOUNT)}
    assert sorted(named("The doctor")) == sorted(checks)


def fires(alarm: Alarm, timeout: int) -> str:
    limit = f"{alarm.threshold:g}"
    if alarm.below:
        limit = "none"
    elif alarm.statistic == "Minimum":
        limit = f"{limit} at least"
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
    assert all(cells[4] for cells in rows("Alarms")), "each says what to do first"


def test_the_saved_queries_are_on_the_page() -> None:
    every = {query.name for query in queries.queries(DEV)}
    [listed] = re.findall(r"^The saved query.*?$(?=\n\n)", section("Logs"), re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`([a-z-]+)`", listed)) == every
    assert set(re.findall(r"query `([\w-]+)`", PAGE)) <= every


def test_the_alarms_that_undo_an_update_are_on_the_page() -> None:
    [listed] = re.findall(r"alarms (`faults`.*?), and undoes", section("Roll back"), re.DOTALL)
    assert tuple(re.findall(r"`([\w-]+)`", listed)) == ROLLBACK


def test_the_rates_are_those_of_a_stage_without_settings() -> None:
    limits = Limits()
    told = {
        name: [int(number) for number in re.findall(r"\d+", cells[1])]
        for cells in rows("Rates")
        for name in NAMES.findall(cells[1])
    }
    assert told["FRAME_RATE"] == [limits.frames.per_second, BURST // limits.frames.cost]
    assert told["SESSION_RATE"] == [limits.publishes.per_second, BURST // limits.publishes.cost]
    assert told["MAX_PER_SUBJECT"] == [limits.per_subject]
    assert f"after {FAR // limits.frames.cost} at once" in section("Rates")


def test_each_stuck_state_has_a_way_out() -> None:
    states = [row for row in rows("Deploy") if re.fullmatch(r"(`[A-Z_]+`(, )?)+", row[0])]
    assert sorted(state for row in states for state in re.findall(r"`(\w+)`", row[0])) == sorted(STUCK)
    for cells in states:
        for state in re.findall(r"`(\w+)`", cells[0]):
            for command in re.findall(r"`([a-z-]+)`", cells[1]):
                assert f"cloudformation {command} " in STUCK[state], state


@pytest.mark.parametrize("file", ["docs/operations.md", "README.md", "deployment/pipeline.yml"])
def test_commands_and_options_of_make_exist(file: str) -> None:
    page = (ROOT / file).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    called = re.findall(r"(?:^\$ |`|run: )make ([a-z]+)([^`\n]*)", page, re.MULTILINE)
    assert called
    for target, rest in called:
        assert target in targets, target
        for variable in re.findall(r"\b([A-Z]+)=", rest):
            assert f"$({variable})" in MAKEFILE, variable
    for option in re.findall(r"OPTIONS=(--[a-z]+)", page):
        assert any(option in parser().format_help() + _help(name) for name in ("deploy", "destroy")), option


def _help(command: str) -> str:
    """The help of a subcommand."""
    [subcommands] = [one for one in parser()._actions if one.dest == "command"]
    return str(subcommands.choices[command].format_help())  # type: ignore[index]


def test_files_that_the_page_names_exist() -> None:
    named = set(re.findall(r"`((?:deployment|tests|\.chalice)/[\w./-]+)`", PAGE))
    assert len(named) > 2
    assert [one for one in named if not (ROOT / one).exists()] == []


def test_links_within_the_page_lead_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors


def test_the_page_is_short_and_a_cell_of_its_tables_fits_a_line() -> None:
    assert len(PAGE.splitlines()) < LINES
    cells = [cell for line in PAGE.splitlines() if line.startswith("|") for cell in line.split(" | ")]
    assert [cell for cell in cells if len(cell) > CELL] == []


def test_the_page_has_no_path_of_a_machine() -> None:
    assert str(Path.home()) not in PAGE
