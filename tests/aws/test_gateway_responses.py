"""Gateway responses are read from templates, however they are written there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.gateway_responses import described
from pytest_sessionplugin.gateway.values import GatewayResponse

HEADERS = {"gatewayresponse.header.X-Own": "'yes'", "gatewayresponse.header.X-Sub": {"Fn::Sub": "'${A}'"}}
RESOURCE = {
    "Type": "AWS::ApiGateway::GatewayResponse",
    "Properties": {
        "RestApiId": {"Ref": "RestAPI"},
        "ResponseType": "THROTTLED",
        "StatusCode": "429",
        "ResponseParameters": HEADERS,
        "ResponseTemplates": {"application/json": "{}"},
    },
}
DEFINITION = {
    "Type": "AWS::Serverless::Api",
    "Properties": {
        "DefinitionBody": {
            "x-amazon-apigateway-gateway-responses": {
                "THROTTLED": {
                    "statusCode": 429,
                    "responseParameters": HEADERS,
                    "responseTemplates": {"application/json": "{}"},
                }
            }
        }
    },
}
SAM = {
    "Type": "AWS::Serverless::Api",
    "Properties": {
        "GatewayResponses": {
            "THROTTLED": {
                "StatusCode": 429,
                "ResponseParameters": {"Headers": {"X-Own": "'yes'"}},
                "ResponseTemplates": {"application/json": "{}"},
            }
        }
    },
}


def template(folder: Path, **resources: Any) -> Path:
    path = folder / f"{'-'.join(resources)}.json"
    path.write_text(json.dumps({"Resources": resources}), encoding="utf-8")
    return path


@pytest.mark.parametrize("resource", [RESOURCE, DEFINITION, SAM], ids=["resource", "definition", "SAM"])
def test_a_response_is_found_where_a_template_may_have_it(tmp_path: Path, resource: dict[str, Any]) -> None:
    found = described([template(tmp_path, One=resource)])
    assert found == {"THROTTLED": GatewayResponse(429, {"X-Own": "'yes'"}, "{}")}


def test_a_later_template_overrides_an_earlier_one_and_one_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    later = {**SAM, "Properties": {"GatewayResponses": {"THROTTLED": {"StatusCode": 503}, "DEFAULT_5XX": {}}}}
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    paths = [template(tmp_path, One=RESOURCE), broken, tmp_path / "missing.json", template(tmp_path, Two=later)]
    assert described(paths) == {"THROTTLED": GatewayResponse(503), "DEFAULT_5XX": GatewayResponse()}


@pytest.mark.parametrize(
    "resource",
    [
        None,
        "text",
        {},
        {"Properties": None},
        {"Properties": {"GatewayResponses": []}},
        {"Properties": {"DefinitionBody": 1}},
    ],
)
def test_another_resource_has_none(tmp_path: Path, resource: Any) -> None:
    assert described([template(tmp_path, One=resource)]) == {}
