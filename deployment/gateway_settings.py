"""Throttles and access logs of a stage of API Gateway, as calls for a deploy and as CloudFormation. Pure.

The log formats leave out query string, raw path and headers, which may hold a token, a ticket or a session's id (its
invitation).

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
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
    """One line of JSON for each request."""
    return json.dumps(fields, separators=(",", ":"))


def method_settings(stage: Stage) -> dict[str, Any]:
    """Settings of all methods of the REST API, as CloudFormation has them. Requests and answers are never logged.

    Alarms and dashboard use the metrics of the stage, which are always there. `MetricsEnabled` would add those of each
    method and path, which nothing reads and which cost as much as custom metrics.
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
    """X-Ray tracing, as an operation of UpdateStage. Chalice sets it in a deployment, which may not change it."""
    return [replace("/tracingEnabled", _text(stage.tracing))]


def http_access_logs(destination: Any) -> dict[str, Any]:
    """Access logs of the REST API into a log group, given by its ARN, as CloudFormation has them."""
    return {"DestinationArn": destination, "Format": access_format(HTTP_FIELDS)}


def access_log_patches(destination: str) -> list[dict[str, str]]:
    """`http_access_logs` as the operations of UpdateStage."""
    settings = http_access_logs(destination)
    return [replace(f"/accessLogSettings/{name[0].lower()}{name[1:]}", value) for name, value in settings.items()]


def route_settings(stage: Stage) -> dict[str, Any]:
    """Settings of all routes of the WebSocket API, for calls and CloudFormation alike; metrics as in the REST API."""
    return {
        "ThrottlingRateLimit": stage.websocket_throttle.rate,
        "ThrottlingBurstLimit": stage.websocket_throttle.burst,
        "DetailedMetricsEnabled": False,
        "LoggingLevel": "OFF",
        "DataTraceEnabled": False,
    }


def websocket_access_logs(destination: Any) -> dict[str, Any]:
    """Access logs of the WebSocket API, for calls and CloudFormation alike."""
    return {"DestinationArn": destination, "Format": access_format(WEBSOCKET_FIELDS)}


def replace(path: str, value: str) -> dict[str, str]:
    """One patch operation."""
    return {"op": "replace", "path": path, "value": value}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
