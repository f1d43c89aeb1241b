"""`chalice deploy` to MiniStack, in a process of its own: `python -m` this module, and the folder of an app.

AWS_ENDPOINT_URL names MiniStack; the created ids are printed as JSON.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import boto3
from chalice.cli.factory import CLIFactory
from chalice.utils import UI

STAGE = "dev"


def make_tables(folder: Path, region: str) -> None:
    """Creates the tables of resources.json, which Chalice leaves to CloudFormation. The apps use no intrinsics.

    A table without a name gets its logical one.
    """
    resources = folder / ".chalice" / "resources.json"
    if resources.is_file():
        dynamodb = boto3.client("dynamodb", region_name=region)
        for name, resource in json.loads(resources.read_text(encoding="utf-8"))["Resources"].items():
            assert resource["Type"] == "AWS::DynamoDB::Table", resource
            dynamodb.create_table(**{"TableName": name, **resource["Properties"]})


def make_key(client: Any, api: str, stage: str) -> str:
    """Creates an API key in a usage plan of this stage; returns its value."""
    key = client.create_api_key(name=f"conformance-{api}", enabled=True)
    plan = client.create_usage_plan(name=f"conformance-{api}", apiStages=[{"apiId": api, "stage": stage}])
    client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    value: str = key["value"]
    return value


def deploy(folder: Path) -> dict[str, str | None]:
    factory = CLIFactory(str(folder))
    config = factory.create_config_obj(STAGE)
    session = factory.create_botocore_session(connection_timeout=5, read_timeout=30, max_retries=0)
    make_tables(folder, session.get_config_variable("region"))
    made = factory.create_default_deployer(session, config, UI()).deploy(config, STAGE)
    ids = {name: value for one in made["resources"] for name, value in one.items() if name.endswith("_api_id")}
    rest, stage = ids.get("rest_api_id"), config.api_gateway_stage
    return {
        "rest": rest,
        "websocket": ids.get("websocket_api_id"),
        "stage": stage,
        "api_key": make_key(session.create_client("apigateway"), rest, stage) if rest else None,
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # Chalice prints its progress here
        answer = deploy(Path(sys.argv[1]))
    print(json.dumps(answer))  # noqa: T201 - the result of this process
