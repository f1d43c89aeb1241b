"""Reads the tables of a DynamoDB that runs on this machine, as a template would describe them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from botocore import handlers
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.templates import TableSpec
from pytest_sessionplugin.errors import EndpointError
from pytest_sessionplugin.gateway.values import on_loopback

PATIENCE = 3  # seconds for each answer


def tables_at(
    endpoint: str,
    names: Mapping[str, str] | Iterable[str] | None = None,
    *,
    prefix: str = "",
    region: str = environment.REGION,
) -> dict[str, TableSpec]:
    """Logical name -> properties of the tables at `endpoint`, a URL on loopback: for the fixture `dynamodb_specs`.

    All tables, or those of these `names`, or those whose names begin with `prefix`. A table's logical name is its own
    without the prefix, unless `names` is a mapping: logical name -> the table's own. Keys, indexes, capacity, stream
    and TTL are taken over, rows are not. Raises EndpointError if no DynamoDB answers there, or if it lacks the table.
    """
    if not str(endpoint).startswith("http://") or not on_loopback(endpoint):
        raise EndpointError(endpoint, "must begin with http:// and be on loopback; no real table is called.")
    with _explained(endpoint):
        dynamodb = _client(endpoint, region)
        pages = list(dynamodb.get_paginator("list_tables").paginate())
    if any("TableNames" not in page for page in pages):
        raise EndpointError(endpoint, "is not DynamoDB: it lists no tables.")
    there = [name for page in pages for name in page["TableNames"]]
    listed = f"in {region} there are: {', '.join(there) or 'none'}."
    if isinstance(names, str):
        names = [names]
    if names is None:
        names = [name for name in there if name.startswith(prefix)]
        if prefix and not names:
            raise EndpointError(endpoint, f"has no table whose name begins with {prefix}; {listed}")
    if not isinstance(names, Mapping):
        names = {name.removeprefix(prefix) or name: name for name in names}
    if missing := [name for name in names.values() if name not in there]:
        raise EndpointError(endpoint, f"has no table {missing[0]}; {listed}")
    with _explained(endpoint):
        return {logical: _spec(dynamodb, name) for logical, name in names.items()}


def _client(endpoint: str, region: str) -> Any:
    """A client that reaches the endpoint past profiles, proxies, mocks and our own interceptor."""
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    session: Any = Session(session_vars={"profile": (None, None, None, None), **files})
    client = session.create_client(
        "dynamodb",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=environment.ACCESS_KEY,
        aws_secret_access_key=environment.SECRET_KEY,
        config=Config(
            connect_timeout=PATIENCE,
            read_timeout=PATIENCE,
            retries={"total_max_attempts": 1},
            proxies={},
            use_dualstack_endpoint=False,
            use_fips_endpoint=False,
        ),
    )
    for event, handler, *_ in handlers.BUILTIN_HANDLERS:
        if not handler.__module__.startswith("botocore."):  # put there by a mock or by the interceptor
            client.meta.events.unregister(event, handler)
    return client


@contextmanager
def _explained(endpoint: str) -> Iterator[None]:
    """Turns errors of the client into EndpointError."""
    try:
        yield
    except ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if status != 400:
            sentence = f"is not DynamoDB: it answers {error.operation_name} with {status}."
            raise EndpointError(endpoint, sentence) from error
        raise EndpointError(endpoint, f"refuses {error.operation_name}: {code}.") from error
    except BotoCoreError as error:
        raise EndpointError(endpoint, f"does not answer as DynamoDB does ({error}); is it running?") from error
    except AttributeError as error:  # botocore's parser expects a JSON object
        raise EndpointError(endpoint, "is not DynamoDB: it does not answer with a JSON object.") from error
    except ValueError as error:
        raise EndpointError(endpoint, f"is not a URL: {error}.") from error


def _spec(dynamodb: Any, name: str) -> TableSpec:
    """The description of a table, without status, ARN and counts."""
    table, ttl = dynamodb.describe_table(TableName=name)["Table"], {}
    with suppress(ClientError):  # some emulators have no TTL
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    capacity = _capacity(table)
    spec: dict[str, Any] = {
        "TableName": table["TableName"],
        "KeySchema": table["KeySchema"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "BillingMode": "PROVISIONED" if capacity else "PAY_PER_REQUEST",
        **capacity,
    }
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        if indexes := table.get(kind):
            spec[kind] = [
                {
                    "IndexName": index["IndexName"],
                    "KeySchema": index["KeySchema"],
                    "Projection": {name: value for name, value in index["Projection"].items() if value},
                    **(_capacity(index) if capacity and kind == "GlobalSecondaryIndexes" else {}),
                }
                for index in indexes
            ]
    if table.get("StreamSpecification", {}).get("StreamEnabled"):
        spec["StreamSpecification"] = {"StreamViewType": table["StreamSpecification"]["StreamViewType"]}
    if ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        spec["TimeToLiveSpecification"] = {"AttributeName": ttl["AttributeName"], "Enabled": True}
    return spec


def _capacity(described: Mapping[str, Any]) -> dict[str, Any]:
    """The provisioned capacity. A table on demand is described with a capacity of 0."""
    throughput = described.get("ProvisionedThroughput", {})
    units = {name: throughput.get(name) for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
    return {"ProvisionedThroughput": units} if all(units.values()) else {}
