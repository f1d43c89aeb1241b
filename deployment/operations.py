"""Monitoring of a stage as CloudFormation resources: log groups of the access logs, alarms, dashboard. Pure values.

A deploy makes a stack of them; a package merges them into its one template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deployment import dashboard
from deployment.alarm import ALARM_TOPICS
from deployment.alarms import alarms
from deployment.stage import Stage

HTTP_LOGS: Final = "HttpAccessLogs"
WEBSOCKET_LOGS: Final = "WebsocketAccessLogs"


def template(stage: Stage) -> dict[str, Any]:
    """The stack of a deploy. Its parameter is the id of the WebSocket API, which Chalice creates."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Monitoring of the stage {stage.name} of {stage.app}.",
        "Parameters": {"WebsocketApiId": {"Type": "String"}},
        **mappings(stage),
        "Resources": resources(stage, websocket_api={"Ref": "WebsocketApiId"}),
    }


def mappings(stage: Stage) -> dict[str, Any]:
    """The template section that `resources` refer to; empty if the alarms of the stage notify no topic."""
    if not stage.alarm_topics.every:
        return {}
    [section, entry, key] = ALARM_TOPICS
    return {"Mappings": {section: {entry: {key: list(stage.alarm_topics.every)}}}}


def resources(stage: Stage, *, websocket_api: Mapping[str, Any]) -> dict[str, Any]:
    """The resources by logical id.

    `websocket` is a reference such as `{"Ref": "WebsocketAPI"}`; the REST API goes by name.
    """
    watched = alarms(stage, websocket_api)
    return {
        HTTP_LOGS: _log_group(stage, stage.http_log_group),
        WEBSOCKET_LOGS: _log_group(stage, stage.websocket_log_group),
        **{alarm.logical_id: alarm.resource(stage) for alarm in watched},
        "Dashboard": dashboard.resource(stage, watched, websocket_api),
    }


def _log_group(stage: Stage, name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": name, "RetentionInDays": stage.log_days},
    }
