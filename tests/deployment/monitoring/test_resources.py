"""Monitoring is part of the stage's stack: access logs, alarms, a dashboard and saved queries."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

from deployment import stage
from deployment.monitoring import queries, resources
from deployment.monitoring.alarms import alarms
from deployment.stage import AlarmTopics
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
MADE = resources.resources(DEV, websocket_api={"Ref": "WebsocketAPI"})


def test_every_alarm_and_query_of_the_stage_is_made() -> None:
    kinds = Counter(one["Type"] for one in MADE.values())
    assert kinds == {
        "AWS::Logs::LogGroup": 2,
        "AWS::CloudWatch::Alarm": len(alarms(DEV, {"Ref": "WebsocketAPI"})),
        "AWS::CloudWatch::Dashboard": 1,
        queries.KIND: len(list(queries.queries(DEV))),
    }


def test_access_logs_expire_and_go_with_the_stack_so_that_it_can_be_made_again() -> None:
    for one in (MADE[resources.HTTP_LOGS], MADE[resources.WEBSOCKET_LOGS]):
        assert one["Properties"]["RetentionInDays"] == DEV.log_days
        assert one["DeletionPolicy"] == "Delete"


def test_the_longest_names_leave_room_in_the_template() -> None:
    """CloudFormation takes 1 MB by URL. Five topics are an alarm's maximum."""
    topics = tuple(f"arn:aws-us-gov:sns:us-gov-west-1:111122223333:{number}{'t' * 255}" for number in range(5))
    longest = dataclasses.replace(DEV, name="s" * 32, alarm_topics=AlarmTopics(topics, topics))
    assert len(json.dumps(resources.resources(longest, websocket_api={"Ref": "W"}), indent=2)) < 500_000
