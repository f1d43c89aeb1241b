"""Additions to Chalice's template, and the id of the WebSocket API's deployment."""

from __future__ import annotations

import copy
import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

from deployment import chalice, package, stage
from deployment.artifacts import Code
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "WebsocketAPI": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "sessions"}},
        "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {"IntegrationUri": "arn:1"}},
        "Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"RouteKey": "$connect"}},
        "WebsocketAPIDeployment": {"Type": "AWS::ApiGatewayV2::Deployment", "DependsOn": ["Route"], "Properties": {}},
        "WebsocketAPIStage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"StageName": "api", "DeploymentId": {"Ref": "WebsocketAPIDeployment"}},
        },
    }
}


def deployed(template: dict[str, Any]) -> str:
    """The id of the one deployment, which the stage refers to."""
    resources = package.with_websocket_deployment(template)["Resources"]
    [name] = (name for name, one in resources.items() if one["Type"] == "AWS::ApiGatewayV2::Deployment")
    assert resources["WebsocketAPIStage"]["Properties"] == {"StageName": "api", "DeploymentId": {"Ref": name}}
    assert resources[name]["DependsOn"] == ["Route"]
    return str(name)


def changed(name: str, **properties: str) -> dict[str, Any]:
    template = copy.deepcopy(TEMPLATE)
    template["Resources"][name]["Properties"].update(properties)
    return template


def test_a_route_or_where_it_leads_makes_another_deployment() -> None:
    before = deployed(TEMPLATE)
    assert deployed(changed("Route", RouteKey="join")) != before
    assert deployed(changed("Integration", IntegrationUri="arn:2")) != before


def test_what_a_deployment_does_not_hold_makes_none() -> None:
    assert deployed(changed("WebsocketAPI", Name="other")) == deployed(TEMPLATE)


def test_a_deployment_has_a_name_that_cloudformation_takes() -> None:
    assert deployed(TEMPLATE).isalnum()


def test_whoever_reads_the_template_learns_that_the_key_has_to_be_there() -> None:
    assert "/sessions/dev/jwt-secret" in package.description(DEV)
    environment = {**DEV.environment, "JWT_SECRET": "", "JWT_JWKS_URL": "https://issuer.example/keys"}
    assert "key" not in package.description(dataclasses.replace(DEV, environment=environment))


def test_a_permissions_boundary_is_that_of_each_role_that_the_stack_makes() -> None:
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    functions: dict[str, Any] = {
        chalice.logical_id(one.name): {"Properties": {"Role": {"Fn::GetAtt": [f"{one.name}Role", "Arn"]}}}
        for one in DEV.functions
    }
    functions["Sweep"]["Properties"]["Role"] = "arn:aws:iam::111122223333:role/made-by-others"
    roles = {f"{one.name}Role": {"Properties": {"Policies": [{"PolicyName": "p"}]}} for one in DEV.functions}
    template: dict[str, Any] = {"Resources": {**functions, **roles}}
    bounded = package.with_roles(dataclasses.replace(DEV, permissions_boundary=boundary), template)["Resources"]
    found = {name for name, one in bounded.items() if one["Properties"].get("PermissionsBoundary") == boundary}
    assert found == {*roles} - {"sweepRole"}
    assert "PermissionsBoundary" not in json.dumps(package.with_roles(DEV, template))


def test_the_functions_alone_are_told_where_the_zip_is() -> None:
    template = {
        "Resources": {
            **TEMPLATE["Resources"],
            "Sweep": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "./x", "Timeout": 3}},
        }
    }
    located = package.located(template, Code("bucket", "code/1.zip", "v2"))["Resources"]
    place = {"Bucket": "bucket", "Key": "code/1.zip", "Version": "v2"}
    assert located.pop("Sweep")["Properties"] == {"CodeUri": place, "Timeout": 3}
    assert located == TEMPLATE["Resources"]
    assert template["Resources"]["Sweep"]["Properties"]["CodeUri"] == "./x"


def zipped(path: Path, *entries: tuple[str, str], at: tuple[int, int, int, int, int, int], mode: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in entries:
            entry = zipfile.ZipInfo(name, at)
            entry.external_attr = mode << 16
            made.writestr(entry, text)
    return path


def test_a_zip_depends_on_the_names_and_texts_of_its_files_alone(tmp_path: Path) -> None:
    app, model = ("app.py", "app = 1\n" * 99), ("chalicelib/model.py", "model = 1\n")
    bytecode = ("chalicelib/__pycache__/model.cpython-311.pyc", "bytecode")
    first = zipped(tmp_path / "a", app, model, at=(2026, 1, 1, 0, 0, 0), mode=0o100600)
    second = zipped(tmp_path / "b", model, bytecode, app, at=(2027, 2, 2, 2, 2, 2), mode=0o100755)
    for path in (first, second):
        package.write_reproducibly(path, path.with_suffix(".zip"))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert [(one.filename, opened.read(one).decode()) for one in opened.infolist()] == [app, model]
        assert {one.external_attr >> 16 for one in opened.infolist()} == {0o100644}
    assert (tmp_path / "a.zip").stat().st_size < len(app[1])
