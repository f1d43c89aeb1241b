"""The DynamoDB tables of a CloudFormation or SAM template in JSON or YAML."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytest_sessionplugin.errors import TemplateError
from pytest_sessionplugin.notation import json_value, strict_loader, yaml_value

TableSpec = Mapping[str, Any]
"""The properties of an AWS::DynamoDB::Table, with its TableName and without intrinsic functions."""

USED = (
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "BillingMode",
    "ProvisionedThroughput",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "StreamSpecification",
    "TimeToLiveSpecification",
)


@dataclass(frozen=True)
class PseudoParameters:
    """The stack for which a template is read."""

    stack_name: str
    region: str = "us-east-1"
    account_id: str = "123456789012"


def tables(path: Path, pseudo: PseudoParameters) -> dict[str, TableSpec]:
    """Logical name -> properties of every table in the file; empty if the file does not exist. Raises TemplateError."""
    if not path.is_file():
        return {}
    template = read(path)
    resolve = Resolver(path, template.get("Parameters"), pseudo)
    found: dict[str, TableSpec] = {}
    for name, resource in template["Resources"].items():
        if not isinstance(resource, dict):
            raise TemplateError(f"{path} is not a CloudFormation template: {name} is not a resource.")
        kind = resource.get("Type")
        if not isinstance(kind, str) or kind not in _KINDS:
            if near := get_close_matches(str(kind), _KINDS, 1, cutoff=0.9):
                raise resolve.error(name, f"its Type is {kind}; {near[0]} may be meant.")
            continue
        if "Properties" not in resource and (near := get_close_matches("Properties", resource, 1)):
            raise resolve.error(name, f"it has {near[0]}; Properties may be meant.")
        properties = resource.get("Properties") or {}
        if not isinstance(properties, dict):
            raise resolve.error(name, "its Properties must be a mapping.")
        used = {key: resolve(name, properties[key]) for key in (*USED, "PrimaryKey") if key in properties}
        found[name] = {"TableName": f"{pseudo.stack_name}-{name}", **_KINDS[kind](used)}
    return found


def read(path: Path) -> dict[str, Any]:
    """The template in a file that exists; the same object for the same state of the file. Raises TemplateError."""
    state = path.stat()
    return _parsed(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, modified: int, size: int) -> dict[str, Any]:
    language = "YAML" if path.suffix in (".yaml", ".yml") else "JSON"
    try:
        text = path.read_text(encoding="utf-8")
        template = json_value(text) if language == "JSON" else yaml_value(text, _loader())
    except ValueError as error:
        raise TemplateError(f"{path} is not a CloudFormation template in {language}: {error}.") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError(f"{path} is not a CloudFormation template in {language}: it has no Resources.")
    return template


# --- kinds of tables


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key in USED}


def _global_table(properties: dict[str, Any]) -> dict[str, Any]:
    """One of its replicas. Scaling of capacity makes no difference in memory."""
    return {**_table(properties), "BillingMode": "PAY_PER_REQUEST"}


def _simple_table(properties: dict[str, Any]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-simpletable.html"""
    key = properties.get("PrimaryKey", {"Name": "id", "Type": "String"})
    if not isinstance(key, dict):
        key = {}
    kind = {"String": "S", "Number": "N", "Binary": "B"}.get(str(key.get("Type")), key.get("Type"))
    return {
        **({} if "ProvisionedThroughput" in properties else {"BillingMode": "PAY_PER_REQUEST"}),
        **_table(properties),
        "AttributeDefinitions": [{"AttributeName": key.get("Name"), "AttributeType": kind}],
        "KeySchema": [{"AttributeName": key.get("Name"), "KeyType": "HASH"}],
    }


_KINDS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::DynamoDB::GlobalTable": _global_table,
    "AWS::Serverless::SimpleTable": _simple_table,
}


# --- intrinsic functions

_OTHERWISE = "The fixture dynamodb_specs can say it in Python."


class Resolver:
    """Replaces Ref and Fn::Sub with their values.

    With `known`, the values of other resources by logical name, also Fn::GetAtt and Fn::Join. `noun` is for errors.
    """

    def __init__(
        self,
        path: Path,
        parameters: Any,
        pseudo: PseudoParameters,
        noun: str = "table",
        known: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._path, self._noun, self._known = path, noun, known
        self._parameters = parameters if isinstance(parameters, dict) else {}
        self._pseudo = {
            "AWS::Region": pseudo.region,
            "AWS::AccountId": pseudo.account_id,
            "AWS::StackName": pseudo.stack_name,
        }

    def __call__(self, table: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self(table, item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._ref(table, argument)
            if name == "Fn::Sub":
                return self._sub(table, argument)
            if name == "Fn::GetAtt" and self._known is not None:
                return self._attribute(table, argument)
            if name == "Fn::Join" and self._known is not None:
                return self._join(table, argument)
            if str(name).startswith("Fn::") or name == "Condition":
                raise self.error(table, f"{name} is not understood here; Ref and Fn::Sub are. {_OTHERWISE}")
        return {key: self(table, item) for key, item in value.items()}

    def error(self, table: str, reason: str) -> TemplateError:
        return TemplateError(f"The {self._noun} {table} of {self._path}: {reason}")

    def _ref(self, table: str, name: Any) -> Any:
        if not isinstance(name, str):
            raise self.error(table, f"Ref takes a name, not {name!r}.")
        if name in self._pseudo:
            return self._pseudo[name]
        if self._known is not None and name in self._known:
            return self._known[name]["Ref"]
        parameter = self._parameters.get(name)
        if not isinstance(parameter, dict):
            raise self.error(
                table,
                f"it refers to {name}, which is neither a parameter nor AWS::Region, AWS::AccountId or AWS::StackName.",
            )
        if "Default" not in parameter:
            raise self.error(table, f"the parameter {name} has no default. {_OTHERWISE}")
        return parameter["Default"]

    def _join(self, table: str, argument: Any) -> str:
        match argument:
            case [str(between), [*parts]]:
                return between.join(str(self(table, part)) for part in parts)
        raise self.error(table, f"Fn::Join takes a text and a list, not {argument!r}.")

    def _attribute(self, table: str, argument: Any) -> str:
        path = ".".join(map(str, argument)) if isinstance(argument, list) else str(argument)
        name, _, attribute = path.partition(".")
        values = (self._known or {}).get(name, {})
        if attribute not in values:
            raise self.error(table, f"{path} is not known here.")
        return values[attribute]

    def _sub(self, table: str, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
        if not isinstance(text, str) or not isinstance(own, dict):
            raise self.error(table, f"Fn::Sub takes a text, or a text and a mapping, not {argument!r}.")

        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):  # ${!Literal} stands for ${Literal}
                return f"${{{name[1:]}}}"
            if "." in name and self._known is not None:
                return self._attribute(table, name)
            return str(self(table, own[name]) if name in own else self._ref(table, name))

        return re.sub(r"\$\{([^}]*)\}", value, text)


# --- YAML


@functools.cache
def _loader() -> Any:
    """A loader of templates."""
    loader: Any = type("_Loader", (strict_loader(),), {})
    loader.add_multi_constructor("!", _short)
    return loader


def _short(loader: Any, name: str, node: Any) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html"""
    match node.id:
        case "scalar":
            argument = loader.construct_scalar(node)
        case "sequence":
            argument = loader.construct_sequence(node, deep=True)
        case _:
            argument = loader.construct_mapping(node, deep=True)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": argument}
