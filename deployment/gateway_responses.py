"""API Gateway's own answers, in the form of the service's errors: problem+json, with CORS. Pure values.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib import errors, http

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": ",".join(http.EXPOSED_HEADERS),
}
MESSAGE: Final = "$context.error.messageString"
"""API Gateway's own sentence, quotation marks included."""


@dataclass(frozen=True)
class GatewayResponse:
    """The response of one type. Without `status`, API Gateway's own status stays, and the body cannot name it."""

    type: str
    code: str
    title: str
    status: int | None = None
    detail: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """The body template, with placeholders for API Gateway's values."""
        known = {"type": f"{errors.CATALOGUE}{self.code}", "title": self.title}
        if self.status is not None:
            known["status"] = self.status  # type: ignore[assignment]  # a number among texts
        begun = json.dumps({**known, "code": self.code}, separators=(",", ":"))[:-1]
        detail = MESSAGE if self.detail is None else json.dumps(self.detail)
        return f'{begun},"detail":{detail},"requestId":"$context.requestId"}}'

    @property
    def parameters(self) -> dict[str, str]:
        """Header names and values in API Gateway's mapping syntax."""
        headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store", **CORS, **self.headers}
        return {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()}

    def definition(self) -> dict[str, Any]:
        """The value for this type in `x-amazon-apigateway-gateway-responses` of an API's definition.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
        """
        return {
            **({} if self.status is None else {"statusCode": str(self.status)}),
            "responseParameters": self.parameters,
            "responseTemplates": {"application/json": self.template},
        }


RESPONSES: Final = (
    GatewayResponse("DEFAULT_4XX", "refused_by_gateway", "Refused by API Gateway"),
    GatewayResponse("DEFAULT_5XX", "unavailable", "Unavailable", headers={"Retry-After": "1"}),
    GatewayResponse("BAD_REQUEST_BODY", "invalid_request", "Invalid request", 400),
    GatewayResponse("BAD_REQUEST_PARAMETERS", "invalid_request", "Invalid request", 400),
    GatewayResponse(
        "MISSING_AUTHENTICATION_TOKEN",  # API Gateway's answer to an unknown path or method
        "no_such_route",
        "No such route",
        404,
        "There is no such path here, or it does not know this method.",
    ),
    GatewayResponse("RESOURCE_NOT_FOUND", "no_such_route", "No such route", 404),
    GatewayResponse("REQUEST_TOO_LARGE", "too_large", "Too large", 413),
    GatewayResponse("UNSUPPORTED_MEDIA_TYPE", "unsupported_media_type", "Unsupported media type", 415),
    GatewayResponse("THROTTLED", "throttled", "Too many requests", 429, headers={"Retry-After": "1"}),
    GatewayResponse("INTEGRATION_FAILURE", "unavailable", "Unavailable", 504, headers={"Retry-After": "1"}),
    GatewayResponse("INTEGRATION_TIMEOUT", "timed_out", "Timed out", 504, headers={"Retry-After": "1"}),
)
