"""Checks of the two APIs: endpoint, throttles, logs, and their own error responses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from deployment.doctor.check import OK, Check, Verdict, failed
from deployment.doctor.findings import Findings

GUIDE: Final = "https://docs.aws.amazon.com/apigateway/latest/developerguide"
QUOTA: Final = 10_000
"""Default quota: requests a second, for all APIs of an account in a region together."""
BURST: Final = 5_000
BODY: Final = 10 * 1024 * 1024  # a threshold above the largest response turns compression off
TELLING_NOTHING: Final = frozenset(
    {
        "$context.apiId",
        "$context.connectedAt",
        "$context.connectionId",
        "$context.error.responseType",
        "$context.eventType",
        "$context.extendedRequestId",
        "$context.httpMethod",
        "$context.identity.sourceIp",
        "$context.integration.latency",
        "$context.integration.status",
        "$context.integrationLatency",
        "$context.integrationStatus",
        "$context.messageId",
        "$context.protocol",
        "$context.requestId",
        "$context.requestTime",
        "$context.requestTimeEpoch",
        "$context.resourcePath",
        "$context.responseLatency",
        "$context.responseLength",
        "$context.routeKey",
        "$context.stage",
        "$context.status",
        "$context.wafResponseCode",
        "$context.xrayTraceId",
    }
)
"""Fields allowed in an access log: no raw path, query, header, body or claim of a token."""


def endpoint(findings: Findings) -> Verdict:
    kind = findings.plan.endpoint_type
    if kind == "REGIONAL":
        return OK
    return failed([f"The REST API is {kind}: set api_gateway_endpoint_type to REGIONAL in .chalice/config.json."])


def compression(findings: Findings) -> Verdict:
    least = findings.plan.compressed_from
    if least is not None and 0 <= least < BODY:
        return OK
    return failed(["No answer is ever compressed: set minimum_compression_size to 1024 in .chalice/config.json."])


def throttles(findings: Findings) -> Verdict:
    return failed(_throttles(findings))


def _throttles(findings: Findings) -> Iterator[str]:
    stage = findings.stage
    for key, throttle in (("http_throttle", stage.http_throttle), ("websocket_throttle", stage.websocket_throttle)):
        for what, value, quota in (("rate", throttle.rate, QUOTA), ("burst", throttle.burst, BURST)):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < quota:
                yield (
                    f"The {what} of {key} is {value}: set a whole number above 0 and below {quota}, the quota of the "
                    "whole account, in .chalice/operations.json."
                )


VARIABLE: Final = re.compile(r"\$\{?[A-Za-z][\w.-]*")


def access_log_formats(findings: Findings) -> Verdict:
    return failed(
        f"The access log of the {kind} API has {', '.join(unknown)}, in which a token or a session's id may be: "
        "take it out of deployment/gateway_settings.py."
        for kind, text in findings.gateway.formats.items()
        if (unknown := sorted(set(VARIABLE.findall(text)) - TELLING_NOTHING))
    )


def access_log_retention(findings: Findings) -> Verdict:
    groups = {
        resource["Properties"].get("LogGroupName"): resource["Properties"].get("RetentionInDays")
        for resource in findings.gateway.watching.values()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }
    return failed(
        f"The access log {group} would be kept for ever: give it RetentionInDays in deployment/monitoring/resources.py."
        for group in (findings.stage.http_log_group, findings.stage.websocket_log_group)
        if not groups.get(group)
    )


def data_trace(findings: Findings) -> Verdict:
    return failed(
        f"The {kind} API would log requests and answers whole: turn {' and '.join(on)} off in "
        "deployment/gateway_settings.py."
        for kind, settings in (("REST", findings.gateway.methods), ("WebSocket", findings.gateway.routes))
        if (on := [*_traces(settings.get("DataTraceEnabled")), *_levels(settings.get("LoggingLevel"))])
    )


def _traces(value: object) -> list[str]:
    return [] if value is False else ["DataTraceEnabled"]


def _levels(value: object) -> list[str]:
    return [] if value in ("OFF", "ERROR") else ["LoggingLevel"]


def gateway_responses(findings: Findings) -> Verdict:
    return failed(_gateway_responses(findings))


def _gateway_responses(findings: Findings) -> Iterator[str]:
    responses = findings.gateway.responses
    for kind in sorted({"DEFAULT_4XX", "DEFAULT_5XX"} - {one.type for one in responses}):
        yield f"API Gateway would answer {kind} in a form of its own: add it in deployment/gateway_responses.py."
    for one in responses:
        if one.parameters.get("gatewayresponse.header.Content-Type") != "'application/problem+json'":
            yield f"{one.type} is not application/problem+json: mend it in deployment/gateway_responses.py."
        if "gatewayresponse.header.Access-Control-Allow-Origin" not in one.parameters:
            yield f"A page could not read {one.type}: give it CORS in deployment/gateway_responses.py."


CHECKS: Final = (
    Check("api-endpoint", "The REST API is regional", f"{GUIDE}/api-gateway-api-endpoint-types.html", endpoint),
    Check(
        "api-compression",
        "Answers are compressed",
        f"{GUIDE}/api-gateway-gzip-compression-decompression.html",
        compression,
    ),
    Check("api-throttles", "Both APIs are throttled below the account's quota", f"{GUIDE}/limits.html", throttles),
    Check("access-log-formats", "Access logs tell nothing secret", f"{GUIDE}/set-up-logging.html", access_log_formats),
    Check(
        "access-log-retention", "No access log is kept for ever", f"{GUIDE}/set-up-logging.html", access_log_retention
    ),
    Check("data-trace", "Requests and answers are not logged", f"{GUIDE}/set-up-logging.html", data_trace),
    Check(
        "gateway-responses",
        "API Gateway's own errors are problem+json, with CORS",
        f"{GUIDE}/api-gateway-gatewayResponse-definition.html",
        gateway_responses,
    ),
)
