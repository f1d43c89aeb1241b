"""Records of a table's stream: one for a change, none for a write that changes nothing.

Source: "Change data capture for DynamoDB Streams" in the developer guide, and Record in the API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_sessionplugin.aws.dynamodb.store import Change
from pytest_sessionplugin.aws.dynamodb.values import equal_items, item_size

BY_TTL = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""The author of a removal by time ("DynamoDB Streams and Time to Live" in the developer guide)."""


def record(
    change: Change, *, view: str, region: str, event_id: str, number: int, at: float, by_ttl: bool = False
) -> dict[str, Any] | None:
    """The record of a change as GetRecords gives it; None if nothing has changed.

    `view` is the stream's StreamViewType, `number` the SequenceNumber, `at` seconds since the epoch.
    """
    old, new = change.old, change.new
    there = new or old
    if there is None or (old is not None and new is not None and equal_items(old.item, new.item)):
        return None
    keys = change.store.definition.key_of(there.item)
    images: dict[str, Mapping[str, Any]] = {"Keys": keys}
    if new is not None and view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
        images["NewImage"] = new.item
    if old is not None and view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
        images["OldImage"] = old.item
    return {
        "eventID": event_id,
        "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": {
            "ApproximateCreationDateTime": int(at),
            **images,
            "SequenceNumber": str(number),
            "SizeBytes": sum(map(item_size, images.values())),
            "StreamViewType": view,
        },
        **({"userIdentity": BY_TTL} if by_ttl else {}),
    }
