"""The contracts as the tests read them: documents with their references, and validators of values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.sources import ROOT

CONTRACTS: Final = ROOT / "contracts"
OPENAPI: Final = CONTRACTS / "openapi.yaml"
ASYNCAPI: Final = CONTRACTS / "asyncapi.yaml"
SCHEMAS: Final = sorted((CONTRACTS / "schemas").glob("*.json"))
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where it was built
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@cache
def load(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.load(text, LOADER)  # noqa: S506  a safe one


@cache
def registry() -> Registry[Any]:
    """Every file by its address, so that a reference from one to another resolves without asking anybody."""
    found = [(path.as_uri(), DRAFT202012.create_resource(load(path))) for path in (*SCHEMAS, OPENAPI, ASYNCAPI)]
    return Registry[Any]().with_resources(found)


def resolved(node: Any, base: Path) -> tuple[Any, Path]:
    """The node itself or the target of its reference, and the file that it is in."""
    while isinstance(node, Mapping) and "$ref" in node:
        file, _, pointer = node["$ref"].partition("#")
        base = base.parent / file if file else base
        node = load(base)
        for step in filter(None, pointer.split("/")):
            node = node[step.replace("~1", "/").replace("~0", "~")]
    return node, base


def validator(reference: str) -> Draft202012Validator:
    """The validator of `session.json`, or of `session.json#/properties/title`."""
    return Draft202012Validator(
        {"$ref": f"{(CONTRACTS / 'schemas').as_uri()}/{reference}"},
        registry=registry(),
        format_checker=FormatChecker(),
    )


def problems(reference: str, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(reference).iter_errors(value)]


def nodes(node: Any, where: str = "#") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each object within a document, with its pointer."""
    if isinstance(node, Mapping):
        yield where, node
        for name, child in node.items():
            yield from nodes(child, f"{where}/{name}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from nodes(child, f"{where}/{index}")


def operations(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Path, method and operation."""
    for path, item in openapi["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]
