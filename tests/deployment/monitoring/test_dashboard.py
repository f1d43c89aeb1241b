"""The dashboard: health first, everything in its place."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from deployment import stage
from deployment.monitoring import dashboard
from deployment.monitoring.alarm import Severity
from deployment.monitoring.alarms import alarms
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
ALARMS = alarms(DEV, {"Ref": "WebsocketAPI"})
WIDGETS: list[dict[str, Any]] = dashboard.body(DEV, ALARMS)["widgets"]


def cells(widget: dict[str, Any]) -> set[tuple[int, int]]:
    across = range(widget["x"], widget["x"] + widget["width"])
    return set(itertools.product(across, range(widget["y"], widget["y"] + widget["height"])))


def test_the_alarms_are_at_the_top_pages_on_the_left() -> None:
    pages, tickets = (widget for widget in WIDGETS if widget["type"] == "alarm")
    prefix = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:sessions-dev-"
    assert (pages["x"], pages["y"], tickets["y"]) == (0, 0, 0)
    for widget, severity in ((pages, Severity.PAGE), (tickets, Severity.TICKET)):
        named = [prefix + alarm.name for alarm in ALARMS if alarm.severity is severity]
        assert widget["properties"]["alarms"] == named != []


def test_the_rows_go_from_what_people_notice_to_what_explains_it() -> None:
    titles = [widget["properties"]["markdown"] for widget in WIDGETS if widget["type"] == "text"]
    names = ["Sessions", "Connections", "Deliveries", "Latencies", "Functions", "Tables"]
    assert titles == [f"## {name}" for name in names]


def test_no_widget_covers_another_or_leaves_the_page() -> None:
    taken = [cell for widget in WIDGETS for cell in cells(widget)]
    assert len(taken) == len(set(taken))
    assert {x for x, _ in taken} == set(range(dashboard.COLUMNS))


def test_what_cloudformation_fills_in_is_what_it_knows() -> None:
    resource = dashboard.resource(DEV, ALARMS, {"Ref": "WebsocketAPI"})
    text, variables = resource["Properties"]["DashboardBody"]["Fn::Sub"]
    pseudo = {"AWS::Partition", "AWS::Region", "AWS::AccountId"}
    assert set(re.findall(r"\$\{([^}]*)\}", text)) == {*pseudo, *variables}
    assert json.loads(text) == dashboard.body(DEV, ALARMS)
