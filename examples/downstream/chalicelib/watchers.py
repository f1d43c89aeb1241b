"""The watchers of each lot, and messages to them from HTTP routes and WebSocket handlers."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key


@cache
def management(endpoint: str) -> Any:
    return boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)


class Watchers:
    def __init__(self, table: Any) -> None:
        self._table = table

    def add(self, lot_id: str, connection_id: str, endpoint: str) -> None:
        self._table.put_item(Item={"connectionId": connection_id, "lotId": lot_id, "endpoint": endpoint})

    def remove(self, connection_id: str) -> None:
        self._table.delete_item(Key={"connectionId": connection_id})

    def lot_of(self, connection_id: str) -> str:
        return str(self._table.get_item(Key={"connectionId": connection_id})["Item"]["lotId"])

    def tell(self, lot_id: str, message: Mapping[str, object]) -> None:
        """Sends a message to all watchers of the lot, and removes those whose socket is gone."""
        found = self._table.query(IndexName="by-lot", KeyConditionExpression=Key("lotId").eq(lot_id))
        for watcher in found["Items"]:
            client = management(watcher["endpoint"])
            try:
                client.post_to_connection(ConnectionId=watcher["connectionId"], Data=json.dumps(message))
            except client.exceptions.GoneException:
                self.remove(watcher["connectionId"])
