"""The gateway responses in a project's templates: the forms that its REST API gives to API Gateway's own answers.

They are resources of their own, a property of SAM's API, or a part of the API's definition. An expression that needs a
deployed stack is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_sessionplugin.aws import templates
from pytest_sessionplugin.errors import TemplateError
from pytest_sessionplugin.gateway.values import GatewayResponse

_RESOURCE = "AWS::ApiGateway::GatewayResponse"
_EXTENSION = "x-amazon-apigateway-gateway-responses"
_HEADER = "gatewayresponse.header."


def described(paths: Iterable[Path]) -> dict[str, GatewayResponse]:
    """The responses by type, as DEFAULT_4XX; none of a template that cannot be read."""
    found: dict[str, GatewayResponse] = {}
    for path in paths:
        with contextlib.suppress(TemplateError):
            if path.is_file():
                found.update(_in_template(templates.read(path)["Resources"]))
    return found


def _in_template(resources: Mapping[str, Any]) -> Iterator[tuple[str, GatewayResponse]]:
    for resource in resources.values():
        match resource:
            case {"Type": kind, "Properties": {"ResponseType": str(name), **properties}} if kind == _RESOURCE:
                yield name, _response(properties)
            case {"Properties": {"GatewayResponses": {**responses}}}:
                yield from _responses(responses)
        match resource:
            case {"Properties": {"DefinitionBody": {**definition}}}:
                yield from _responses(_mapping(definition, _EXTENSION))


def _responses(responses: Mapping[Any, Any]) -> Iterator[tuple[str, GatewayResponse]]:
    for name, response in responses.items():
        if isinstance(response, dict):
            yield str(name), _response(response)


def _response(properties: Mapping[Any, Any]) -> GatewayResponse:
    """Names of properties begin with a capital in resources, not in a definition; SAM groups the parameters."""
    own = {str(name)[:1].lower() + str(name)[1:]: value for name, value in properties.items()}
    status, parameters = str(own.get("statusCode", "")), _mapping(own, "responseParameters")
    headers = {
        **{name.removeprefix(_HEADER): value for name, value in parameters.items() if name.startswith(_HEADER)},
        **_mapping(parameters, "Headers"),
    }
    template = _mapping(own, "responseTemplates").get("application/json")
    return GatewayResponse(
        int(status) if status.isdecimal() else None,
        {name: value for name, value in headers.items() if isinstance(value, str)},
        template if isinstance(template, str) else None,
    )


def _mapping(properties: Mapping[Any, Any], name: str) -> Mapping[str, Any]:
    found = properties.get(name)
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}
