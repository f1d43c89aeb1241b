"""Compares the deployed REST API with the project: endpoint type, stage, gateway responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from deployment import gateway, gateway_settings
from deployment.chalice import Apis
from deployment.doctor.account.account import Account

EVERY_METHOD: Final = "*/*"


def _api(account: Account, apis: Apis) -> Iterator[str]:
    with account.asking("apigateway") as client:
        there = client.get_rest_api(restApiId=apis.rest)
    kinds = there.get("endpointConfiguration", {}).get("types")
    if kinds != [account.plan.endpoint_type]:
        yield (
            f"The endpoint of the REST API is {' and '.join(kinds or ['of no known kind'])}, not "
            f"{account.plan.endpoint_type}: change it with UpdateRestApi; a deploy does not."
        )
    if there.get("minimumCompressionSize") != account.plan.compressed_from:
        yield (
            f"The REST API compresses from {there.get('minimumCompressionSize')} bytes on, not from "
            f"{account.plan.compressed_from}: deploy again."
        )


def _stage(account: Account, apis: Apis) -> Iterator[str]:
    stage = account.stage
    with account.asking("apigateway") as client:
        there = client.get_stage(restApiId=apis.rest, stageName=stage.api_stage)
    settings = dict(there.get("methodSettings", {}))
    yield from differences("REST", in_calls(gateway_settings.method_settings(stage)), settings.pop(EVERY_METHOD, {}))
    for name in sorted(settings):
        yield f"The method {name} of the REST API has settings of its own, which override the stage's: remove them."
    if there.get("tracingEnabled", False) is not stage.tracing:
        yield f"The stage of the REST API has tracing {_on(there.get('tracingEnabled'))}: turn it {_on(stage.tracing)}."
    destination = gateway.log_group_arn(account.aws, stage.http_log_group)
    wanted = in_calls(gateway_settings.http_access_logs(destination))
    yield from access_logs("REST", wanted, there.get("accessLogSettings", {}))


def _responses(account: Account, apis: Apis) -> Iterator[str]:
    with account.asking("apigateway") as client:
        missing = gateway.missing_responses(client, apis.rest)
    if missing:
        named = ", ".join(one["responseType"] for one in missing)
        yield f"API Gateway answers {named} differently from deployment/gateway_responses.py: deploy again."


QUESTIONS: Final = (_api, _stage, _responses)


def in_calls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation's settings under the names that the REST API's calls use."""
    return {
        f"{name[0].lower()}{name[1:]}": value
        for name, value in settings.items()
        if name not in ("ResourcePath", "HttpMethod")
    }


def differences(kind: str, wanted: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    """Settings of a stage that differ. Numbers may come as integers or as decimals."""
    for name, value in wanted.items():
        if there.get(name) != value:
            yield f"{name} of the {kind} API is {there.get(name)}, not {value}: deploy again."


def access_logs(kind: str, wanted: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    """Access log settings of a stage that differ. The log group's ARN may or may not end with `:*`."""
    found = {name: value.removesuffix(":*") for name, value in there.items()}
    for name, value in wanted.items():
        if found.get(name) != value:
            said = f"have another {name} than deployment/gateway_settings.py says" if found else "are not written"
            yield f"The access logs of the {kind} API {said}: deploy again."


def _on(value: object) -> str:
    return "on" if value else "off"
