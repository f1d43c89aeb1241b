"""What watches a stage, as CloudFormation resources: log groups of the access logs, alarms, the dashboard. Pure values.

A deploy makes a stack of them; a package has them in its one template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployment.stage import Stage


def template(stage: Stage) -> dict[str, Any]:
    """The stack of a deploy. Its parameters are the ids of the two APIs, which Chalice makes."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"What watches the stage {stage.name} of {stage.app}.",
        "Parameters": {"RestApiId": {"Type": "String"}, "WebsocketApiId": {"Type": "String"}},
        "Resources": resources(stage, rest_api={"Ref": "RestApiId"}, websocket_api={"Ref": "WebsocketApiId"}),
    }


def resources(stage: Stage, *, rest_api: Mapping[str, Any], websocket_api: Mapping[str, Any]) -> dict[str, Any]:
    """By logical id; the APIs are references, such as `{"Ref": "RestAPI"}`."""
    return {
        "HttpAccessLogs": _log_group(stage, stage.http_log_group),
        "WebsocketAccessLogs": _log_group(stage, stage.websocket_log_group),
    }


def _log_group(stage: Stage, name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": name, "RetentionInDays": stage.log_days},
    }
