"""Compares the deployed WebSocket API with the project: its stage and the routes it serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deployment import gateway, gateway_settings
from deployment.chalice import Apis
from deployment.doctor.account.account import Account
from deployment.doctor.account.http import access_logs, differences
from deployment.doctor.check import Unknown


def _stage(account: Account, apis: Apis) -> Iterator[str]:
    stage = account.stage
    with account.asking("apigatewayv2") as client:
        there = client.get_stage(ApiId=apis.websocket, StageName=stage.api_stage)
    yield from differences("WebSocket", gateway_settings.route_settings(stage), there.get("DefaultRouteSettings", {}))
    for name in sorted(there.get("RouteSettings", {})):
        yield f"The route {name} of the WebSocket API has settings of its own, which override the stage's: remove them."
    destination = gateway.log_group_arn(account.aws, stage.websocket_log_group)
    wanted = gateway_settings.websocket_access_logs(destination)
    yield from access_logs("WebSocket", wanted, there.get("AccessLogSettings", {}))


def _routes(account: Account, apis: Apis) -> Iterator[str]:
    """A deployment's content cannot be read, so a deploy stores a digest of its routes."""
    with account.asking("apigatewayv2") as client:
        current = client.get_stage(ApiId=apis.websocket, StageName=account.stage.api_stage).get("DeploymentId")
        wanted = gateway.digest(client, apis.websocket)
    deployments = account.every("apigatewayv2", "get_deployments", "Items", ApiId=apis.websocket)
    said = {one["DeploymentId"]: one.get("Description") or "" for one in deployments}
    if current not in said:
        yield "The stage of the WebSocket API serves no deployment: deploy again."
    elif not said[current].startswith(gateway.ROUTES):
        raise Unknown(
            "Which routes the WebSocket API serves is not known, for it was not `make deploy` that deployed them last."
        )
    elif said[current] != wanted:
        yield "The WebSocket API serves the routes of an earlier deployment: deploy again."


QUESTIONS: Final = (_stage, _routes)
