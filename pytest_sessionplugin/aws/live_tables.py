"""The tables of a DynamoDB that runs on this machine, as a template would describe them. Writes nothing there.

It speaks HTTP itself, past botocore: no profile, proxy or mock stands between, and nothing else can be called.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.templates import TableSpec
from pytest_sessionplugin.errors import EndpointError

PATIENCE = 3.0  # seconds for each answer


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
    and TTL are taken over, rows are not. Raises EndpointError if no DynamoDB answers there, or if it has not the table.
    """
    running = _Running(endpoint, region)
    there = running.names()
    if isinstance(names, str):
        names = [names]
    if names is None:
        names = [name for name in there if name.startswith(prefix)]
        if prefix and not names:
            raise running.error(f"has no table whose name begins with {prefix}", there)
    chosen = dict(names) if isinstance(names, Mapping) else {name.removeprefix(prefix) or name: name for name in names}
    for name in chosen.values():
        if name not in there:
            raise running.error(f"has no table {name}", there)
    return {logical: running.spec(name) for logical, name in chosen.items()}


class _Running:
    def __init__(self, endpoint: str, region: str) -> None:
        self._endpoint = endpoint
        self._region = region
        if not str(endpoint).startswith("http://") or not environment.on_loopback(endpoint):
            raise EndpointError(endpoint, "must begin with http:// and be on loopback; no real table is called.")
        self._url = urlsplit(endpoint)

    def names(self) -> list[str]:
        return list(self._pages())

    def spec(self, name: str) -> TableSpec:
        described = self._ask("DescribeTable", TableName=name)["Table"]
        ttl = self._ask("DescribeTimeToLive", TableName=name).get("TimeToLiveDescription", {})
        return _spec(described, ttl)

    def error(self, reason: str, there: list[str]) -> EndpointError:
        return EndpointError(self._endpoint, f"{reason}; in {self._region} there are: {', '.join(there) or 'none'}.")

    def _pages(self) -> Iterator[str]:
        start: dict[str, Any] = {}
        while True:
            page = self._ask("ListTables", **start)
            if not isinstance(page.get("TableNames"), list):
                raise EndpointError(self._endpoint, "is no DynamoDB: it lists no tables.")
            yield from page["TableNames"]
            if not page.get("LastEvaluatedTableName"):
                return
            start = {"ExclusiveStartTableName": page["LastEvaluatedTableName"]}

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        connection = HTTPConnection(self._url.hostname or "", self._port(), timeout=PATIENCE)
        try:
            connection.request("POST", self._url.path or "/", json.dumps(arguments), self._headers(operation))
            answer = connection.getresponse()
            body = answer.read()
        except (HTTPException, OSError) as error:
            raise EndpointError(
                self._endpoint, f"does not answer as DynamoDB does ({error or type(error).__name__}); is it running?"
            ) from error
        finally:
            connection.close()
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if not isinstance(said, dict) or answer.status not in (200, 400):
            raise EndpointError(self._endpoint, f"is no DynamoDB: it answers {operation} with {answer.status}.")
        if answer.status == 400 and operation == "DescribeTimeToLive":
            return {}  # some emulators have no TTL
        if answer.status == 400:
            raise EndpointError(self._endpoint, f"refuses {operation}: {said.get('__type', said)}.")
        return said

    def _port(self) -> int:
        try:
            return self._url.port or 80
        except ValueError as error:
            raise EndpointError(self._endpoint, f"is no URL: {error}.") from error

    def _headers(self, operation: str) -> dict[str, str]:
        """Nobody checks the signature; that there is one, and which region it names, some do."""
        return {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": "20200101T000000Z",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential=testing/20200101/{self._region}/dynamodb/aws4_request, "
                f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={'0' * 64}"
            ),
        }


def _spec(table: Mapping[str, Any], ttl: Mapping[str, Any]) -> TableSpec:
    """A description without what only a table that is there has: status, ARN, counts."""
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
    """Nothing on demand, which is described as a capacity of nothing."""
    throughput = described.get("ProvisionedThroughput", {})
    units = {name: throughput.get(name) for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
    return {"ProvisionedThroughput": units} if all(units.values()) else {}
