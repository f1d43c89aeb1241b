"""Who may import whom, parsed from the sources: the layout of the service is a rule, not a habit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.sources import ROOT, imports, names

SERVICE = sorted((ROOT / "chalicelib").glob("*.py"))

# what each module may import of the service; of others, only the standard library unless named here
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "moments": set(),
    "secret": set(),
    "place": set(),
    "freshness": set(),
    "correlation": {"credentials"},
    "tracebacks": {"errors"},
    "logs": {"place", "tracebacks"},
    "metrics": {"model"},
    "emf": {"metrics"},
    "observation": {"emf", "errors", "logs", "metrics", "place"},
    "run": {"frames", "http", "measured_delivery", "metrics", "model", "observation", "place", "sessions"},
    "cold_start": set(),
    "measured_delivery": {"frames", "metrics", "model", "sessions"},
    "model": {"errors", "moments"},
    "jsontext": {"errors"},
    "references": set(),
    "keytext": set(),
    "settings": {"errors", "keytext", "references", "secret"},
    "health": {"errors", "logs"},
    "keys": {"errors", "freshness", "keytext", "logs", "references", "secret", "settings"},
    "kept": {"errors", "references", "secret"},
    "auth": {"errors", "keys", "model", "secret", "settings"},
    "credentials": {"errors", "secret"},
    "cursors": {"errors", "model", "moments"},
    "http": {"correlation", "cursors", "errors", "jsontext", "model"},
    "frames": {"credentials", "errors", "jsontext", "model", "moments", "secret"},
    "sessions": {"errors", "frames", "jsontext", "metrics", "model", "moments"},
    "connections": {"errors", "frames", "logs", "model", "moments", "sessions"},
    "sweeper": {"frames", "logs", "metrics", "model", "sessions"},
    "delivery": {"errors", "frames", "logs", "model"},
    "items": {"jsontext", "model", "moments"},
    "dynamo": {"errors", "items"},
    "storage": {"dynamo", "errors", "items", "model", "moments", "settings"},
    "service": {"delivery", "dynamo", "health", "kept", "keys", "local", "settings", "storage"},
    "local": {"errors", "keytext", "model", "moments"},
}
OUTSIDE: dict[str, set[str]] = {
    "auth": {"jwt"},
    "keys": {"jwt"},
    "kept": {"botocore"},
    "delivery": {"botocore", "types_boto3_apigatewaymanagementapi"},
    "dynamo": {"botocore", "types_boto3_dynamodb"},
    "emf": {"aws_lambda_powertools"},
    "logs": {"aws_lambda_powertools"},
    "storage": {"botocore", "moments", "types_boto3_dynamodb"},
}


def of_the_service(path: Path) -> set[str]:
    return {name.split(".")[1] for name in names(path) if name.startswith("chalicelib.")}


def from_outside(path: Path) -> set[str]:
    return {one.top for one in imports(path)} - {"chalicelib"} - set(sys.stdlib_module_names)


def test_the_table_names_every_module() -> None:
    assert {path.stem for path in SERVICE} - {"__init__"} == set(ALLOWED)


@pytest.mark.parametrize("path", [path for path in SERVICE if path.stem != "__init__"], ids=lambda path: path.stem)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    assert of_the_service(path) <= ALLOWED[path.stem]
    assert from_outside(path) <= OUTSIDE.get(path.stem, set())


def test_the_app_knows_chalice_and_the_service_and_never_the_plugin() -> None:
    assert from_outside(ROOT / "app.py") == {"chalice"}


def test_nothing_of_the_plugin_knows_the_service() -> None:
    plugin = sorted((ROOT / "pytest_sessionplugin").rglob("*.py"))
    assert plugin
    assert {path.name for path in plugin for one in imports(path) if one.top in {"app", "chalicelib"}} == set()
