"""Two tables with everything that a template can say, as a template says it."""

from __future__ import annotations

from typing import Any

STRING = {"AttributeType": "S"}
ROOMS: dict[str, Any] = {
    "TableName": "chat-dev-Rooms",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": name, **STRING} for name in ("place", "name", "owner", "at")],
    "KeySchema": [{"AttributeName": "place", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-time",
            "KeySchema": [{"AttributeName": "place", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-owner",
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["title"]},
        }
    ],
    "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    "TimeToLiveSpecification": {"AttributeName": "purgeAt", "Enabled": True},
}
SCORES: dict[str, Any] = {
    "TableName": "scores",
    "BillingMode": "PROVISIONED",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}, {"AttributeName": "who", **STRING}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-who",
            "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2},
        }
    ],
}
