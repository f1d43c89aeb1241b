"""The alarms and graphs of a deployed stage refer to existing resources: a misspelt name would stay silent for ever."""

from __future__ import annotations

import json

from tests.rehearsal.moto.environment import REGION
from tests.rehearsal.moto.expected import ACCOUNT
from tests.rehearsal.moto.story import Chapter


def test_an_alarm_is_about_something_that_stands(deployed: Chapter) -> None:
    account, stage = deployed.account, deployed.wanted.config["api_gateway_stage"]
    standing = {
        ("Stage", deployed.wanted.stage),
        ("Stage", stage),
        ("ApiName", account.rest.described["name"]),
        ("ApiId", account.websocket.id),
        *(("FunctionName", name) for name in account.functions),
    }
    for alarm in account.alarms.values():
        dimensions = {(one["Name"], one["Value"]) for one in alarm["Dimensions"] if one["Name"] != "Reason"}
        assert dimensions, alarm["AlarmName"]
        assert dimensions <= standing, alarm["AlarmName"]
        of_gateway = alarm["Namespace"] == "AWS/ApiGateway"
        assert ("Stage", stage if of_gateway else deployed.wanted.stage) in dimensions or len(dimensions) == 1


def test_each_function_is_watched_for_errors_throttles_and_the_time_that_it_has(deployed: Chapter) -> None:
    wanted = deployed.wanted
    watched = {}
    for alarm in deployed.account.alarms.values():
        if alarm["Namespace"] == "AWS/Lambda":
            [function] = [one["Value"] for one in alarm["Dimensions"]]
            watched[function, alarm["MetricName"]] = alarm["Threshold"]
    for function in wanted.handlers:
        name = wanted.full_name(function)
        assert {(name, "Errors"), (name, "Throttles")} <= watched.keys()
        assert 0 < watched[name, "Duration"] < wanted.setting("lambda_timeout", function) * 1000


def test_alarms_are_told_to_the_topics_that_are_set_and_so_is_their_end(deployed: Chapter) -> None:
    topics = deployed.wanted.operations["alarm_topics"]
    assert deployed.account.alarms
    for alarm in deployed.account.alarms.values():
        assert alarm["AlarmName"].startswith(f"{deployed.wanted.prefix}-")
        assert alarm["AlarmActions"] == alarm["OKActions"] == topics


def test_the_dashboard_shows_every_alarm_and_names_what_stands(deployed: Chapter) -> None:
    [(name, dashboard)] = deployed.account.dashboards.items()
    text = json.dumps(dashboard)
    assert name == deployed.wanted.prefix
    for alarm in deployed.account.alarms:
        assert f'"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm}"' in text
    for part in (*deployed.account.functions, *deployed.account.tables, deployed.account.websocket.id, REGION):
        assert part in text
    assert "${" not in text


def test_a_stack_stands_for_the_tables_and_one_for_what_watches(deployed: Chapter) -> None:
    prefix = deployed.wanted.prefix
    assert deployed.account.stacks.keys() == {f"{prefix}-tables", f"{prefix}-operations"}
    assert all(status.endswith("_COMPLETE") and "ROLLBACK" not in status for status in deployed.account.stacks.values())
