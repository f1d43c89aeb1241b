"""Checks of the two APIs: throttles, access logs, and their own error responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deployment import gateway_settings
from deployment.doctor.check import Note, check
from deployment.doctor.findings import Findings
from deployment.gateway_responses import RESPONSES

GUIDE: Final = "https://docs.aws.amazon.com/apigateway/latest/developerguide"
DEFAULTS: Final = {"rate": 10_000, "burst": 5_000}
"""Default quotas of an account in a region: requests a second and burst, of all its APIs together."""
LOWER_DEFAULTS: Final = {"rate": 2_500, "burst": 1_250}
LOWER: Final = frozenset(
    {
        *("af-south-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7"),
        *("ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "mx-central-1"),
    }
)
"""Regions with the lower defaults: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
TELLING_NOTHING: Final = frozenset(
    {
        *("apiId", "connectedAt", "connectionId", "error.responseType", "eventType", "extendedRequestId", "httpMethod"),
        *("identity.sourceIp", "integration.latency", "integration.status", "integrationLatency", "integrationStatus"),
        *("messageId", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourcePath", "responseLatency"),
        *("responseLength", "routeKey", "stage", "status", "wafResponseCode", "xrayTraceId"),
    }
)
"""Fields of `$context` allowed in an access log: no raw path, query, header, body or claim of a token."""


@check("api-throttles", "Both APIs have throttles that an account allows", f"{GUIDE}/limits.html")
def throttles(findings: Findings) -> Iterator[str]:
    stage = findings.stage
    defaults = LOWER_DEFAULTS if stage.region in LOWER else DEFAULTS
    for key, throttle in (("http_throttle", stage.http_throttle), ("websocket_throttle", stage.websocket_throttle)):
        for what, value in (("rate", throttle.rate), ("burst", throttle.burst)):
            if value <= 0:
                yield f"The {what} of {key} is {value}, and lets nobody in: raise it in .chalice/operations.json."
            elif value > defaults[what]:
                yield Note(
                    f"The {what} of {key} is {value}, and an account has {defaults[what]} by default: ACCOUNT=1 "
                    "compares it with this account's own quota."
                )


@check("access-log-formats", "Access logs tell nothing secret", f"{GUIDE}/set-up-logging.html")
def access_log_formats(findings: Findings) -> Iterator[str]:
    fields = {"REST": gateway_settings.HTTP_FIELDS, "WebSocket": gateway_settings.WEBSOCKET_FIELDS}
    for kind, format in fields.items():
        for name in format.values():
            if name.removeprefix("$context.") not in TELLING_NOTHING:
                yield f"The access log of the {kind} API has {name}, in which a token or a session's id may be."


@check("data-trace", "Requests and answers are not logged", f"{GUIDE}/set-up-logging.html")
def data_trace(findings: Findings) -> Iterator[str]:
    stage = findings.stage
    of_apis = {"REST": gateway_settings.method_settings(stage), "WebSocket": gateway_settings.route_settings(stage)}
    for kind, settings in of_apis.items():
        if settings["DataTraceEnabled"] or settings["LoggingLevel"] not in ("OFF", "ERROR"):
            yield f"The {kind} API would log requests and answers: turn off DataTraceEnabled and LoggingLevel."


@check(
    "gateway-responses",
    "API Gateway's own errors are problem+json, with CORS",
    f"{GUIDE}/api-gateway-gatewayResponse-definition.html",
)
def gateway_responses(findings: Findings) -> Iterator[str]:
    for kind in sorted({"DEFAULT_4XX", "DEFAULT_5XX"} - {one.type for one in RESPONSES}):
        yield f"API Gateway would answer {kind} in its own form: add it to deployment/gateway_responses.py."
    for one in RESPONSES:
        if one.parameters.get("gatewayresponse.header.Content-Type") != "'application/problem+json'":
            yield f"{one.type} is not application/problem+json: mend it in deployment/gateway_responses.py."
        if "gatewayresponse.header.Access-Control-Allow-Origin" not in one.parameters:
            yield f"A page could not read {one.type}: give it CORS in deployment/gateway_responses.py."
