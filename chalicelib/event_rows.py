"""The rows of events in DynamoDB, and the records of publishes with a key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib import items
from chalicelib.dynamodb import Rows, asking, names, refused_by_condition, refused_by_transaction
from chalicelib.events import Event, Published
from chalicelib.model import Once


class EventRows(Rows):
    """The table of events."""

    def put_event(self, event: Event) -> Event:
        try:
            with asking():
                self._client.put_item(**self._put(event))
        except ClientError as exc:
            standing = refused_by_condition(exc)
            if not standing:
                raise
            return items.to_event(standing)
        return event

    def list_events(self, session_id: str, after: int, limit: int) -> tuple[Sequence[Event], bool]:
        with asking():
            answer = self._client.query(
                TableName=self._tables.events,
                KeyConditionExpression="#sessionId = :sessionId AND #seq > :after",
                ExpressionAttributeNames=names("sessionId", "seq"),
                ExpressionAttributeValues={":sessionId": {"S": session_id}, ":after": {"N": str(after)}},
                ConsistentRead=True,
                Limit=limit,
            )
        return [items.to_event(item) for item in answer["Items"]], "LastEvaluatedKey" in answer

    def find_publish(self, session_id: str, subject: str, key: str, now: datetime) -> Published | None:
        with asking():
            answer = self._client.get_item(
                TableName=self._tables.connections,
                Key=items.publish_key(session_id, subject, key),
                ConsistentRead=True,
            )
        item = answer.get("Item")
        if item is None or int(item["purgeAt"]["N"]) <= int(now.timestamp()):
            return None
        return items.to_published(item)

    def put_keyed(self, event: Event, subject: str, once: Once, now: datetime) -> Event | Published:
        record = {
            "TableName": self._tables.connections,
            "Item": items.publish_item(event, subject, once, now),
            # a record past its purgeAt counts as purged, before DynamoDB removes it
            "ConditionExpression": "attribute_not_exists(#place) OR #purgeAt <= :now",
            "ExpressionAttributeNames": names("place", "purgeAt"),
            "ExpressionAttributeValues": {":now": items.seconds(now)},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        writes: Any = [{"Put": record}, {"Put": self._put(event)}]
        try:
            with asking():
                self._client.transact_write_items(TransactItems=writes)
        except ClientError as exc:
            before = refused_by_transaction(exc)
            if not before:
                raise
            if "fingerprint" not in before:
                return items.to_event(before)
            earlier = items.to_published(before)
            return event if earlier.seq == event.seq else earlier  # its own, if only the answer was lost
        return event

    def _put(self, event: Event) -> Any:
        return {
            "TableName": self._tables.events,
            "Item": items.event_item(event),
            "ConditionExpression": "attribute_not_exists(#seq)",
            "ExpressionAttributeNames": names("seq"),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
