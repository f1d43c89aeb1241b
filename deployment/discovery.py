"""Finds the APIs of a stage in the account, by their names and by the functions they lead to.

Chalice's own record exists only on the machine of the deploy, and only after one that succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployment.aws import Aws
from deployment.stage import REST, Stage


@dataclass(frozen=True)
class Standing:
    """The ids of a stage's APIs. A kind has more than one only if the stage was deployed twice in parallel."""

    rest: tuple[str, ...]
    websocket: tuple[str, ...]
    unfinished: tuple[str, ...]  # WebSocket APIs without a stage, left by an interrupted deploy


def find(aws: Aws, stage: Stage) -> Standing:
    client = aws.client("apigatewayv2")
    named = [one["ApiId"] for one in _pages(client, "get_apis") if one["Name"] == f"{stage.full_name}-websocket-api"]
    reachable = [api for api in named if client.get_stages(ApiId=api)["Items"]]
    return Standing(
        rest=tuple(_rest_apis(aws, stage)),
        websocket=tuple(reachable),
        unfinished=tuple(api for api in named if api not in reachable),
    )


def _rest_apis(aws: Aws, stage: Stage) -> Iterator[str]:
    """REST APIs that lead to the stage's function. Chalice names them after the app; a deploy renames them last."""
    client = aws.client("apigateway")
    leads = f":function:{next(one for one in stage.functions if one.name == REST).full_name}/invocations"
    for page in client.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["name"] in (stage.app, stage.full_name) and any(
                uri.endswith(leads) for uri in _uris(client, api["id"])
            ):
                yield api["id"]


def _uris(client: Any, api: str) -> Iterator[str]:
    for page in client.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"]):
        for resource in page["items"]:
            for method in resource.get("resourceMethods", {}).values():
                yield method.get("methodIntegration", {}).get("uri", "")


def _pages(client: Any, operation: str) -> Iterator[Mapping[str, Any]]:
    for page in client.get_paginator(operation).paginate():
        yield from page["Items"]
