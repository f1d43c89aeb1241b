"""What Chalice leaves undone on the two APIs: responses, throttles, access logs. Each step may be repeated."""

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
"""What the description of a deployment of ours begins with; a digest of its routes follows."""


def respond(aws: Aws, stage: Stage, apis: Apis) -> bool:
    """Give the REST API its gateway responses; whether any was not there.

    Each deploy of Chalice's imports the API anew, which takes them away, and they count from the next deployment on.
    """
    client = aws.client("apigateway")
    missing = missing_responses(client, apis.rest)
    for one in missing:
        client.put_gateway_response(restApiId=apis.rest, **one)
    if missing:
        client.create_deployment(restApiId=apis.rest, stageName=stage.api_stage, description="gateway responses")
    return bool(missing)


def missing_responses(client: Any, api: str) -> list[dict[str, Any]]:
    """Those that the REST API does not have, or has otherwise, as arguments of PutGatewayResponse."""
    there = {one["responseType"]: one for one in client.get_gateway_responses(restApiId=api, limit=500)["items"]}
    wanted = [one.request() for one in RESPONSES]
    return [one for one in wanted if not one.items() <= there.get(one["responseType"], {}).items()]


def set_http_stage(aws: Aws, stage: Stage, apis: Apis) -> None:
    """Name, throttles, tracing, access logs of the REST API; a deploy of Chalice names it after the app."""
    client = aws.client("apigateway")
    client.update_rest_api(restApiId=apis.rest, patchOperations=gateway_settings.api_patches(stage))
    operations = [
        *gateway_settings.method_patches(stage),
        *gateway_settings.tracing_patches(stage),
        *gateway_settings.access_log_patches(log_group_arn(aws, stage.http_log_group)),
    ]
    client.update_stage(restApiId=apis.rest, stageName=stage.api_stage, patchOperations=operations)


def set_websocket_stage(aws: Aws, stage: Stage, apis: Apis) -> bool:
    """Throttles and access logs of the WebSocket API, and a deployment of its routes; whether it was needed.

    Chalice deploys them the first time alone: a route that is added later would never be reached. What a deployment
    holds cannot be read, so that each carries a digest of its routes as its description.
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
    """Of the routes and of what each leads to; Chalice makes their integrations anew with each deploy."""
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
    """As both APIs take it for their access logs."""
    place = aws.place
    return f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{name}"
