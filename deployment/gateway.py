"""Completes the two APIs after Chalice: responses, throttles, access logs. Each step can be repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from deployment import gateway_settings
from deployment.aws import Aws
from deployment.chalice import Apis
from deployment.gateway_responses import RESPONSES
from deployment.stage import Stage

ROUTES: Final = "routes "
"""Prefix of the description of our deployments; a digest of the routes follows."""


def respond(aws: Aws, stage: Stage, apis: Apis) -> bool:
    """Sets the gateway responses of the REST API; returns whether any was missing.

    `chalice deploy` always reimports the API, which removes them. They take effect with the next deployment.
    """
    client = aws.client("apigateway")
    missing = missing_responses(client, apis.rest)
    for one in missing:
        client.put_gateway_response(restApiId=apis.rest, **one)
    if missing:
        client.create_deployment(restApiId=apis.rest, stageName=stage.api_stage, description="gateway responses")
    return bool(missing)


def missing_responses(client: Any, api: str) -> list[dict[str, Any]]:
    """Missing or different responses, as arguments of PutGatewayResponse."""
    there = {one["responseType"]: one for one in client.get_gateway_responses(restApiId=api, limit=500)["items"]}
    wanted = [one.request() for one in RESPONSES]
    return [one for one in wanted if not one.items() <= there.get(one["responseType"], {}).items()]


def set_http_stage(aws: Aws, stage: Stage, apis: Apis) -> None:
    """Sets name, throttles, tracing and access logs of the REST API, which Chalice names after the app."""
    client = aws.client("apigateway")
    client.update_rest_api(restApiId=apis.rest, patchOperations=gateway_settings.api_patches(stage))
    operations = [
        *gateway_settings.method_patches(stage),
        *gateway_settings.tracing_patches(stage),
        *gateway_settings.access_log_patches(log_group_arn(aws, stage.http_log_group)),
    ]
    client.update_stage(restApiId=apis.rest, stageName=stage.api_stage, patchOperations=operations)


def set_websocket_stage(aws: Aws, stage: Stage, apis: Apis) -> bool:
    """Sets throttles and access logs of the WebSocket API and deploys its routes; returns whether that was needed.

    Chalice deploys them only the first time, so a route added later would be unreachable. A deployment's content
    cannot be read; each carries a digest of its routes in its description.
    """
    client = aws.client("apigatewayv2")
    api, name = apis.websocket, stage.api_stage
    routes = digest(client, api)
    current = client.get_stage(ApiId=api, StageName=name).get("DeploymentId")
    deployments = list(_pages(client.get_deployments, ApiId=api))
    deployed = next((one.get("Description") for one in deployments if one["DeploymentId"] == current), None)
    changed = deployed != routes
    if changed:
        current = client.create_deployment(ApiId=api, Description=routes)["DeploymentId"]
    client.update_stage(
        ApiId=api,
        StageName=name,
        DeploymentId=current,
        DefaultRouteSettings=gateway_settings.route_settings(stage),
        AccessLogSettings=gateway_settings.websocket_access_logs(log_group_arn(aws, stage.websocket_log_group)),
    )
    for one in deployments:
        if one["DeploymentId"] != current:
            client.delete_deployment(ApiId=api, DeploymentId=one["DeploymentId"])
    return changed


def digest(client: Any, api: str) -> str:
    """Digest of the routes and their targets. Chalice recreates the integrations with each deploy."""
    uris = {one["IntegrationId"]: one.get("IntegrationUri") for one in _pages(client.get_integrations, ApiId=api)}
    routes = sorted(
        (one["RouteKey"], uris.get(one.get("Target", "").rpartition("/")[2]))
        for one in _pages(client.get_routes, ApiId=api)
    )
    return ROUTES + hashlib.sha256(json.dumps(routes).encode()).hexdigest()


def _pages(ask: Any, **arguments: str) -> Iterator[Mapping[str, Any]]:
    while True:
        answer = ask(**arguments)
        yield from answer["Items"]
        if not answer.get("NextToken"):
            return
        arguments["NextToken"] = answer["NextToken"]


def log_group_arn(aws: Aws, name: str) -> str:
    """ARN of a log group, in the form that both APIs take for their access logs."""
    place = aws.place
    return f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{name}"
