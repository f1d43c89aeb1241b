"""Throttles and access logs of a stage of API Gateway, as CloudFormation has them. Pure values.

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


def access_format(fields: dict[str, str]) -> str:
    """One line of JSON for each request."""
    return json.dumps(fields, separators=(",", ":"))


def method_settings(stage: Stage) -> dict[str, Any]:
    """Settings of all methods of the REST API. Requests and answers are never logged.

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


def http_access_logs(destination: Any) -> dict[str, Any]:
    """Access logs of the REST API into a log group, given by its ARN."""
    return {"DestinationArn": destination, "Format": access_format(HTTP_FIELDS)}


def route_settings(stage: Stage) -> dict[str, Any]:
    """Settings of all routes of the WebSocket API; metrics as in the REST API."""
    return {
        "ThrottlingRateLimit": stage.websocket_throttle.rate,
        "ThrottlingBurstLimit": stage.websocket_throttle.burst,
        "DetailedMetricsEnabled": False,
        "LoggingLevel": "OFF",
        "DataTraceEnabled": False,
    }


def websocket_access_logs(destination: Any) -> dict[str, Any]:
    """Access logs of the WebSocket API into a log group, given by its ARN."""
    return {"DestinationArn": destination, "Format": access_format(WEBSOCKET_FIELDS)}
