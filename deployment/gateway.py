"""What Chalice leaves undone on the two APIs: responses, throttles, access logs. Each step may be repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from deployment import gateway_settings
from deployment.aws import Aws
from deployment.chalice_app import Apis
from deployment.gateway_responses import RESPONSES
from deployment.stage import Stage


def respond(aws: Aws, stage: Stage, apis: Apis) -> bool:
    """Give the REST API its gateway responses; whether any was not there.

    Each deploy of Chalice's imports the API anew, which takes them away, and they count from the next deployment on.
    """
    client = aws.client("apigateway")
    there = {one["responseType"]: one for one in client.get_gateway_responses(restApiId=apis.rest, limit=500)["items"]}
    wanted = [one.request() for one in RESPONSES]
    missing = [one for one in wanted if not one.items() <= there.get(one["responseType"], {}).items()]
    for one in missing:
        client.put_gateway_response(restApiId=apis.rest, **one)
    if missing:
        client.create_deployment(restApiId=apis.rest, stageName=stage.api_stage, description="gateway responses")
    return bool(missing)


def set_http_stage(aws: Aws, stage: Stage, apis: Apis) -> None:
    """Name, throttles, metrics and access logs of the REST API. Each deploy of Chalice's names it after the app."""
    client = aws.client("apigateway")
    client.update_rest_api(restApiId=apis.rest, patchOperations=gateway_settings.api_patches(stage))
    operations = [
        *gateway_settings.method_patches(stage),
        *gateway_settings.access_log_patches(_log_group_arn(aws, stage.http_log_group)),
    ]
    client.update_stage(restApiId=apis.rest, stageName=stage.api_stage, patchOperations=operations)


def set_websocket_stage(aws: Aws, stage: Stage, apis: Apis) -> bool:
    """Throttles, metrics and access logs of the WebSocket API, and a deployment of its routes; whether it was needed.

    Chalice deploys them the first time alone: a route that is added later would never be reached. What a deployment
    holds cannot be read, so that each carries a digest of its routes as its description.
    """
    client = aws.client("apigatewayv2")
    api, name = apis.websocket, stage.api_stage
    digest = _digest(client, api)
    current = client.get_stage(ApiId=api, StageName=name).get("DeploymentId")
    deployments = list(_pages(client.get_deployments, ApiId=api))
    deployed = next((one.get("Description") for one in deployments if one["DeploymentId"] == current), None)
    changed = deployed != digest
    if changed:
        current = client.create_deployment(ApiId=api, Description=digest)["DeploymentId"]
    client.update_stage(
        ApiId=api,
        StageName=name,
        DeploymentId=current,
        DefaultRouteSettings=gateway_settings.route_settings(stage),
        AccessLogSettings=gateway_settings.websocket_access_logs(_log_group_arn(aws, stage.websocket_log_group)),
    )
    for one in deployments:
        if one["DeploymentId"] != current:
            client.delete_deployment(ApiId=api, DeploymentId=one["DeploymentId"])
    return changed


def _digest(client: Any, api: str) -> str:
    """Of the routes and of what each leads to; Chalice makes their integrations anew with each deploy."""
    uris = {one["IntegrationId"]: one.get("IntegrationUri") for one in _pages(client.get_integrations, ApiId=api)}
    routes = sorted(
        (one["RouteKey"], uris.get(one.get("Target", "").rpartition("/")[2]))
        for one in _pages(client.get_routes, ApiId=api)
    )
    return "routes " + hashlib.sha256(json.dumps(routes).encode()).hexdigest()


def _pages(ask: Any, **arguments: str) -> Iterator[Mapping[str, Any]]:
    while True:
        answer = ask(**arguments)
        yield from answer["Items"]
        if not answer.get("NextToken"):
            return
        arguments["NextToken"] = answer["NextToken"]


def _log_group_arn(aws: Aws, name: str) -> str:
    place = aws.place
    return f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{name}"
