"""Two tables of a chat, and a client's view of them."""

from __future__ import annotations

from typing import Any

from tests.aws.opened import Opened

SPECS: dict[str, Any] = {
    "Rooms": {
        "TableName": "rooms",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "name", "AttributeType": "S"},
            {"AttributeName": "owner", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-owner",
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "purgeAt", "Enabled": True},
    },
    "Empty": {
        "TableName": "empty",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    },
}
SEED = {"Rooms": [{"name": "seeded", "owner": "alice", "people": 1}]}


def client(service: str = "dynamodb", **arguments: Any) -> Any:
    import boto3

    return boto3.client(service, **arguments)  # type: ignore[call-overload]


def enter(dynamodb: Any, name: str = "a") -> None:
    dynamodb.update_item(
        TableName="rooms",
        Key={"name": {"S": name}},
        UpdateExpression="ADD people :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def people(aws: Opened, name: str = "a") -> int:
    row: Any = aws.tables["Rooms"].get_item(Key={"name": name}).get("Item", {})
    return int(row.get("people", 0))


def names(aws: Opened) -> set[str]:
    return {str(row["name"]) for row in aws.tables["Rooms"].scan()["Items"]}
