"""Data of moto (5.1 to 5.2) that trigger functions or expire: messages, notifications, changes of rows, TTL.

Records have the form that Lambda gives to a function: "Using Lambda with Amazon SQS", "… with Amazon SNS" and "… with
DynamoDB Streams" in the Lambda developer guide.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.utilities import dynamo_json_dump

from pytest_sessionplugin.aws.moto import patches

BY_TTL = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""The author of a removal by time ("DynamoDB Streams and Time to Live" in the developer guide)."""


class MotoSources:
    """Event sources of one region. `make_sqs` gives a client that goes past counting and faults."""

    def __init__(self, make_sqs: Callable[[], Any], region: str, account_id: str = DEFAULT_ACCOUNT_ID) -> None:
        self._make_sqs = make_sqs
        self._region = region
        self._account_id = account_id
        self._seeded: dict[str, list[str]] = {}

    @cached_property
    def _sqs(self) -> Any:
        return self._make_sqs()

    # --- SQS

    def take(self, queue: str, most: int) -> list[Mapping[str, Any]]:
        """Messages, hidden from other readers until they are put back; empty if the queue does not exist."""
        url = self._url(queue)
        taken: list[Mapping[str, Any]] = []
        while url is not None and len(taken) < most:
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(10, most - len(taken)),  # the most that SQS gives at once
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
                WaitTimeSeconds=0,
            )
            messages = answer.get("Messages", [])
            taken += [self._message(queue, message) for message in messages]
            if not messages:
                break
        return taken

    def delete(self, queue: str, records: Sequence[Mapping[str, Any]]) -> None:
        for record in records:
            self._sqs.delete_message(QueueUrl=self._url(queue), ReceiptHandle=record["receiptHandle"])

    def put_back(self, queue: str, records: Sequence[Mapping[str, Any]]) -> None:
        from moto.sqs.models import sqs_backends

        for record in records:
            self._sqs.change_message_visibility(
                QueueUrl=self._url(queue), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
            )
        handles = {record["receiptHandle"] for record in records}
        for message in sqs_backends[self._account_id][self._region].get_queue(queue)._messages:
            if message.receipt_handle in handles:
                patches.show_at_once(message)

    def _url(self, queue: str) -> str | None:
        try:
            return str(self._sqs.get_queue_url(QueueName=queue)["QueueUrl"])
        except ClientError as error:
            if "NonExistentQueue" in error.response["Error"]["Code"]:
                return None
            raise

    def _message(self, queue: str, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: _message_attribute(value) for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn("sqs", queue),
            "awsRegion": self._region,
        }

    # --- SNS

    def notifications(self, topic: str) -> list[Mapping[str, Any]]:
        """All notifications of the test, in order; empty if the topic does not exist."""
        from moto.sns.models import sns_backends

        arn = self._arn("sns", topic)
        found = sns_backends[self._account_id][self._region].topics.get(arn)
        return [self._notification(arn, sent) for sent in (found.sent_notifications if found else [])]

    def _notification(self, arn: str, sent: Sequence[Any]) -> Mapping[str, Any]:
        message_id, message, subject, attributes, *_ = sent
        subscription = f"{arn}:{message_id}"
        return {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
            "Sns": {
                "Type": "Notification",
                "MessageId": message_id,
                "TopicArn": arn,
                "Subject": subject,
                "Message": message,
                "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
                "SignatureVersion": "1",
                "Signature": "not signed",
                "SigningCertUrl": "https://sns.invalid/certificate.pem",
                "UnsubscribeUrl": f"https://sns.invalid/?Action=Unsubscribe&SubscriptionArn={subscription}",
                "MessageAttributes": {
                    name: {"Type": value["Type"], "Value": _text(value["Value"])}
                    for name, value in (attributes or {}).items()
                },
            },
        }

    # --- streams of DynamoDB

    def changes(self, table: str) -> list[Mapping[str, Any]]:
        """All changes since the table was created, in order; empty if it has no stream."""
        found = self._streamed(table)
        records = [self._change(item, found) for item in found.stream_shard.items] if found is not None else []
        return [record for record in records if not _changes_nothing(record)]

    def changes_of_seed(self, table: str) -> Collection[str]:
        """The `eventID` of each change before the test."""
        return self._seeded.get(table, ())

    def remember_seed(self, tables: Iterable[str]) -> None:
        """Takes all changes so far for those of the seed."""
        self._seeded = {table: [record["eventID"] for record in self.changes(table)] for table in tables}

    def _change(self, item: Any, table: Any) -> Mapping[str, Any]:
        record = item.to_json()
        at = record["dynamodb"]["ApproximateCreationDateTime"]
        if isinstance(at, str):  # until moto 5.1
            at = datetime.fromisoformat(at)
        changed = json.loads(dynamo_json_dump(record["dynamodb"]))  # moto holds sets of binaries as bytes
        by = {f"{name[0].lower()}{name[1:]}": value for name, value in record.get("userIdentity", {}).items()}
        return {
            **record,
            **({"userIdentity": by} if by else {}),
            "awsRegion": self._region,
            "dynamodb": {
                **changed,
                "ApproximateCreationDateTime": int(at.replace(tzinfo=UTC).timestamp()),
            },
            "eventSourceARN": f"{table.table_arn}/stream/{table.latest_stream_label}",
        }

    def _streamed(self, table: str) -> Any:
        found: Any = dynamodb_backends[self._account_id][self._region].tables.get(table)
        return found if found is not None and found.stream_shard is not None else None

    def _arn(self, service: str, name: str) -> str:
        return f"arn:aws:{service}:{self._region}:{self._account_id}:{name}"


def _changes_nothing(record: Mapping[str, Any]) -> bool:
    """A write that changes nothing makes no record ("Change data capture for DynamoDB Streams")."""
    if record["eventName"] != "MODIFY":
        return False
    old, new = (record["dynamodb"].get(image) for image in ("OldImage", "NewImage"))
    return old is not None and _sets_in_order(old) == _sets_in_order(new)


def _sets_in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: sorted(one) if key in ("SS", "NS", "BS") and isinstance(one, list) else _sets_in_order(one)
            for key, one in value.items()
        }
    return [_sets_in_order(one) for one in value] if isinstance(value, list) else value


def _message_attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        known["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        known["binaryValue"] = _text(value["BinaryValue"])
    return known


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, str) else json.dumps(value)


class TimedRows:
    """Rows of all tables with TTL, in any account and region: `dynamodb.Rows` of moto."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock

    def ends(self) -> list[float]:
        with self._lock:
            return [end for _, _, end in self._all()]

    def remove(self, ended: Callable[[float], bool]) -> None:
        with self._lock:
            for table, item in [(table, item) for table, item, end in self._all() if ended(end)]:
                table.delete_item(item.hash_key, item.range_key)
                if table.stream_shard is not None:
                    table.stream_shard.items[-1].record["userIdentity"] = BY_TTL

    def _all(self) -> Iterator[tuple[Any, Any, float]]:
        """Each table, row, and number in the row's TTL attribute."""
        for table in _dynamodb_tables():
            if table.ttl["TimeToLiveStatus"] == "ENABLED":
                name, ranged = table.ttl["AttributeName"], table.has_range_key
                for at_hash_key in table.items.values():
                    for item in at_hash_key.values() if ranged else [at_hash_key]:
                        value = item.attrs.get(name)
                        if value is not None and value.type == "N":
                            yield table, item, float(value.value)


def _dynamodb_tables() -> Iterator[Any]:
    for account in dynamodb_backends.values():
        for backend in account.values():
            yield from backend.tables.values()
