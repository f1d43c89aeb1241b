"""Creates the tables that a template describes, and their first rows. Knows DynamoDB's API, and no emulator."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ParamValidationError

from pytest_sessionplugin.errors import SessionPluginError, TemplateError

if TYPE_CHECKING:
    from types_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table

    from pytest_sessionplugin.aws.template import TableSpec

Seed = Mapping[str, Iterable[Mapping[str, Any]]]
"""Logical name of a table -> the rows it begins with."""


class Tables(dict[str, "Table"]):
    """Logical name -> boto3's Table."""

    neighbours: Callable[[str | os.PathLike[str]], Tables] | None = None
    """What `of` asks, for as long as a test runs."""

    def of(self, path: str | os.PathLike[str]) -> Tables:
        """Those of another Chalice project of the repository, in the same AWS; created when they are first asked for.

        `path` is its folder, absolute or from the rootdir.
        """
        if self.neighbours is None:
            raise SessionPluginError(f"dynamodb_tables.of({os.fspath(path)!r}) was used outside of its test.")
        return self.neighbours(path)

    def __missing__(self, name: str) -> Table:
        raise KeyError(f"there is no table {name}; there are: {', '.join(self) or 'none'}")


def named(specs: Mapping[str, TableSpec], dynamodb: DynamoDBServiceResource) -> Tables:
    return Tables({name: dynamodb.Table(spec["TableName"]) for name, spec in specs.items()})


def create(specs: Mapping[str, TableSpec], seed: Seed, dynamodb: DynamoDBServiceResource) -> None:
    """Creates what is not there yet, and writes the rows into what it created. Raises TemplateError."""
    tables = named(specs, dynamodb)
    client = dynamodb.meta.client
    if unknown := set(seed) - set(specs):
        raise TemplateError(f"there are rows for {', '.join(sorted(unknown))}, and no such table.")
    for name, spec in specs.items():
        try:
            client.create_table(**_creation(spec))
        except client.exceptions.ResourceInUseException:
            continue
        except (ClientError, ParamValidationError) as error:
            raise TemplateError(f"the table {name} cannot be created: {error}") from error
        tables[name].wait_until_exists()
        if ttl := spec.get("TimeToLiveSpecification"):
            client.update_time_to_live(TableName=spec["TableName"], TimeToLiveSpecification=ttl)
        with tables[name].batch_writer() as rows:
            for row in seed.get(name, ()):
                rows.put_item(Item=dict(row))


def _creation(spec: TableSpec) -> Any:
    """The arguments of CreateTable; where CloudFormation says it otherwise, translated."""
    arguments = {key: value for key, value in spec.items() if key != "TimeToLiveSpecification"}
    if "StreamSpecification" in arguments:
        arguments["StreamSpecification"] = {"StreamEnabled": True, **arguments["StreamSpecification"]}
    return arguments
