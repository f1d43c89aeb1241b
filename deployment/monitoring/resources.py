"""Monitoring of a stage as resources of its stack: access logs, alarms, dashboard, saved queries. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deployment.monitoring import dashboard, queries
from deployment.monitoring.alarms import alarms
from deployment.stage import Stage

HTTP_LOGS: Final = "HttpAccessLogs"
WEBSOCKET_LOGS: Final = "WebsocketAccessLogs"


def resources(stage: Stage, *, websocket_api: Mapping[str, Any]) -> dict[str, Any]:
    """The resources by logical id.

    `websocket_api` is a reference such as `{"Ref": "WebsocketAPI"}`; the REST API goes by name.
    """
    watched = alarms(stage, websocket_api)
    return {
        HTTP_LOGS: _log_group(stage, stage.http_log_group),
        WEBSOCKET_LOGS: _log_group(stage, stage.websocket_log_group),
        **{alarm.logical_id: alarm.resource(stage) for alarm in watched},
        "Dashboard": dashboard.resource(stage, watched, websocket_api),
        **{query.logical_id: query.resource(stage) for query in queries.queries(stage)},
    }


def _log_group(stage: Stage, name: str) -> dict[str, Any]:
    """Log groups go with their stack, those of kept stages too.

    Their names are fixed, so a retained group would make the next create fail: it exists already. A kept stage's stack
    is protected from termination, and logs that must outlive it belong into an archive outside of the stage.
    """
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {"LogGroupName": name, "RetentionInDays": stage.log_days},
    }
