"""An alarm as a resource of CloudFormation."""

from __future__ import annotations

import dataclasses

import pytest

from deployment import stage
from deployment.monitoring.alarm import Alarm, Severity
from deployment.monitoring.measures import Measure
from deployment.stage import AlarmTopics
from tests.sources import ROOT

DEV = dataclasses.replace(stage.read(ROOT, "dev"), alarm_topics=AlarmTopics(page=("arn:page",), ticket=("arn:ticket",)))
ALARM = Alarm("too-many", Severity.PAGE, Measure("N", "m", {"D": "v"}), "Sum", 3, "Many.", "count them.", 2, 3)


@pytest.mark.parametrize("severity", Severity)
def test_it_notifies_the_topics_of_its_severity_when_it_begins_and_when_it_ends(severity: Severity) -> None:
    properties = dataclasses.replace(ALARM, severity=severity).resource(DEV)["Properties"]
    assert properties["AlarmActions"] == properties["OKActions"] == [f"arn:{severity.value}"]


def test_it_is_on_when_the_last_periods_reach_the_threshold() -> None:
    assert ALARM.resource(DEV) == {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": "sessions-dev-too-many",
            "AlarmDescription": "Many. First: count them.",
            "Namespace": "N",
            "MetricName": "m",
            "Dimensions": [{"Name": "D", "Value": "v"}],
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": 2,
            "Threshold": 3,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": ["arn:page"],
            "OKActions": ["arn:page"],
        },
    }


def test_a_percentile_is_an_extended_statistic() -> None:
    properties = dataclasses.replace(ALARM, statistic="p99").resource(DEV)["Properties"]
    assert properties["ExtendedStatistic"] == "p99"
    assert "Statistic" not in properties


def test_its_logical_id_is_letters_and_digits() -> None:
    assert dataclasses.replace(ALARM, name="websocket_connect-errors").logical_id == "WebsocketConnectErrorsAlarm"
