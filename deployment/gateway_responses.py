"""API Gateway's own answers, in the form of the service's errors: problem+json, with CORS. Pure values.

`python -m deployment.gateway_responses > .chalice/gateway.json` writes them for tests and `make serve`, which read no
package.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib import errors, http

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": ",".join(http.EXPOSED_HEADERS),
}


@dataclass(frozen=True)
class GatewayResponse:
    """The response of one type. Without `status`, API Gateway's own status stays, and the body cannot name it.

    The detail is ours: API Gateway's may repeat what the client sent, such as the hash of an Authorization header.
    """

    type: str
    code: str
    title: str
    status: int | None
    detail: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """The body template, with a placeholder for the request's id."""
        problem = {
            "type": f"{errors.CATALOGUE}{self.code}",
            "title": self.title,
            **({} if self.status is None else {"status": self.status}),
            "detail": self.detail,
            "code": self.code,
            "requestId": "$context.requestId",
        }
        return json.dumps(problem, separators=(",", ":"))

    @property
    def parameters(self) -> dict[str, str]:
        """Header names and values in API Gateway's mapping syntax: a text in quotation marks, or a variable."""
        fixed = {"Content-Type": "application/problem+json", **http.ALWAYS, **CORS, **self.headers}
        headers = {name: f"'{value}'" for name, value in fixed.items()} | {http.CORRELATION_HEADER: "context.requestId"}
        return {f"gatewayresponse.header.{name}": value for name, value in headers.items()}

    def definition(self) -> dict[str, Any]:
        """The value for this type in `x-amazon-apigateway-gateway-responses` of an API's definition.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
        """
        return {
            **({} if self.status is None else {"statusCode": str(self.status)}),
            "responseParameters": self.parameters,
            "responseTemplates": {"application/json": self.template},
        }


AGAIN: Final = {"Retry-After": "1"}
NO_ROUTE: Final = (
    *("MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX", "INVALID_SIGNATURE", "EXPIRED_TOKEN", "ACCESS_DENIED"),
    "RESOURCE_NOT_FOUND",
)
"""Types of the answers to an unknown path or method, by what is in the Authorization header; the first is without one.
To API Gateway a bearer token is an incomplete signature, an error without a type of its own. No route here takes
signatures."""
RESPONSES: Final = (
    *(
        GatewayResponse(
            type, "no_such_route", "No such route", 404, "There is no such path here, or it does not know this method."
        )
        for type in NO_ROUTE
    ),
    GatewayResponse(
        "DEFAULT_5XX", "unavailable", "Unavailable", None, "API Gateway could not answer the request; try again.", AGAIN
    ),
    GatewayResponse("BAD_REQUEST_BODY", "invalid_request", "Invalid request", 400, "The body is not valid."),
    GatewayResponse("BAD_REQUEST_PARAMETERS", "invalid_request", "Invalid request", 400, "A parameter is not valid."),
    GatewayResponse(
        "WAF_FILTERED",
        "refused_by_gateway",
        "Refused by API Gateway",
        403,
        "API Gateway refused the request before the service saw it.",
    ),
    GatewayResponse(
        "REQUEST_TOO_LARGE", "too_large", "Too large", 413, "The request is larger than API Gateway takes."
    ),
    GatewayResponse(
        "UNSUPPORTED_MEDIA_TYPE",
        "unsupported_media_type",
        "Unsupported media type",
        415,
        "API Gateway does not take this media type or content coding.",
    ),
    *(
        GatewayResponse(type, "throttled", "Too many requests", 429, "More requests came than this stage takes.", AGAIN)
        for type in ("THROTTLED", "QUOTA_EXCEEDED")
    ),
    GatewayResponse(
        "INTEGRATION_FAILURE", "unavailable", "Unavailable", 504, "The service could not be reached; try again.", AGAIN
    ),
    GatewayResponse(
        "INTEGRATION_TIMEOUT",
        "timed_out",
        "Timed out",
        504,
        "The service did not answer within 29 seconds; the request may have had an effect all the same.",
        AGAIN,
    ),
)


def extension() -> dict[str, Any]:
    """The part of the definition of the REST API."""
    return {"x-amazon-apigateway-gateway-responses": {one.type: one.definition() for one in RESPONSES}}


def template() -> str:
    """A template for Chalice to merge, with nothing else in it."""
    api = {"Type": "AWS::Serverless::Api", "Properties": {"DefinitionBody": extension()}}
    return json.dumps({"Resources": {"RestAPI": api}}, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(template())
