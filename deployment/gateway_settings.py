"""Throttles and access logs of a stage of API Gateway, once for the calls of a deploy and once for a template. Pure.

Neither format has a query string, a path as it was sent or a header: a token, a ticket or a session's id, which is its
invitation, may be in one. https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

import json
from typing import Any, Final

from deployment.stage import Stage

HTTP_FIELDS: Final = {
    "requestId": "$context.requestId",
    "at": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latency": "$context.responseLatency",
    "integrationLatency": "$context.integrationLatency",
    "error": "$context.error.responseType",
    "trace": "$context.xrayTraceId",
}
WEBSOCKET_FIELDS: Final = {
    "requestId": "$context.requestId",
    "at": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "event": "$context.eventType",
    "route": "$context.routeKey",
    "connectionId": "$context.connectionId",
    "status": "$context.status",
    "integrationStatus": "$context.integrationStatus",
    "integrationLatency": "$context.integrationLatency",
    "error": "$context.error.responseType",
}


def api_patches(stage: Stage) -> list[dict[str, str]]:
    """The name of the REST API, as an operation of UpdateRestApi."""
    return [replace("/name", stage.http_api)]


def access_format(fields: dict[str, str]) -> str:
    """One line of JSON a request."""
    return json.dumps(fields, separators=(",", ":"))


def method_settings(stage: Stage) -> dict[str, Any]:
    """Of all methods of the REST API, as CloudFormation has them. Nothing of a request or an answer is ever logged.

    The metrics of the stage, which alarms and dashboard are about, are always there: `MetricsEnabled` adds those of
    each method and path, which nobody reads and which cost as much as one's own.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    """
    return {
        "ResourcePath": "/*",
        "HttpMethod": "*",
        "ThrottlingRateLimit": stage.http_throttle.rate,
        "ThrottlingBurstLimit": stage.http_throttle.burst,
        "MetricsEnabled": False,
        "LoggingLevel": "OFF",
        "DataTraceEnabled": False,
    }


PATHS: Final = {
    "ThrottlingRateLimit": "throttling/rateLimit",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "MetricsEnabled": "metrics/enabled",
    "LoggingLevel": "logging/loglevel",
    "DataTraceEnabled": "logging/dataTrace",
}
"""The same settings in UpdateStage:
https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch
"""


def method_patches(stage: Stage) -> list[dict[str, str]]:
    """`method_settings` as the operations of UpdateStage."""
    settings = method_settings(stage)
    return [replace(f"/*/*/{path}", _text(settings[name])) for name, path in PATHS.items()]


def tracing_patches(stage: Stage) -> list[dict[str, str]]:
    """Tracing by X-Ray, as an operation of UpdateStage: that a deployment changes it, as Chalice asks, is not sure."""
    return [replace("/tracingEnabled", _text(stage.tracing))]


def http_access_logs(destination: Any) -> dict[str, Any]:
    """Access logs of the REST API into the log group of an ARN, as CloudFormation has them."""
    return {"DestinationArn": destination, "Format": access_format(HTTP_FIELDS)}


def access_log_patches(destination: str) -> list[dict[str, str]]:
    """`http_access_logs` as the operations of UpdateStage."""
    settings = http_access_logs(destination)
    return [replace(f"/accessLogSettings/{name[0].lower()}{name[1:]}", value) for name, value in settings.items()]


def route_settings(stage: Stage) -> dict[str, Any]:
    """Of all routes of the WebSocket API, in the calls and in CloudFormation alike. Metrics as of the REST API."""
    return {
        "ThrottlingRateLimit": stage.websocket_throttle.rate,
        "ThrottlingBurstLimit": stage.websocket_throttle.burst,
        "DetailedMetricsEnabled": False,
        "LoggingLevel": "OFF",
        "DataTraceEnabled": False,
    }


def websocket_access_logs(destination: Any) -> dict[str, Any]:
    """Access logs of the WebSocket API, in the calls and in CloudFormation alike."""
    return {"DestinationArn": destination, "Format": access_format(WEBSOCKET_FIELDS)}


def replace(path: str, value: str) -> dict[str, str]:
    """One patch operation."""
    return {"op": "replace", "path": path, "value": value}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
