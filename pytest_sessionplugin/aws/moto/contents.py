"""Data of moto (5.1 to 5.2) that trigger functions: messages, notifications, changes of rows.

Records have the form that Lambda gives to a function: "Using Lambda with Amazon SQS", "… with Amazon SNS" and "… with
DynamoDB Streams" in the Lambda developer guide.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from pytest_sessionplugin.gateway.values import partition


class MotoSources:
    """Event sources of one region. `make_sqs` gives a client that goes past counting and faults."""

    def __init__(self, make_sqs: Callable[[], Any], region: str, account_id: str = DEFAULT_ACCOUNT_ID) -> None:
        self._make_sqs = make_sqs
        self._region = region
        self._account_id = account_id
        self._seeded: dict[str, set[str]] = {}

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

    def count(self, queue: str) -> int:
        """The messages that can be taken."""
        name = "ApproximateNumberOfMessages"
        if (url := self._url(queue)) is None:
            return 0
        return int(self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    def delete(self, queue: str, records: Sequence[Mapping[str, Any]]) -> None:
        for record in records:
            self._sqs.delete_message(QueueUrl=self._url(queue), ReceiptHandle=record["receiptHandle"])

    def put_back(self, queue: str, records: Sequence[Mapping[str, Any]]) -> None:
        for record in records:
            self._sqs.change_message_visibility(
                QueueUrl=self._url(queue), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
            )

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
        return [self._change(each.to_json(), found) for each in found.stream_shard.items] if found is not None else []

    def changes_of_seed(self, table: str) -> Collection[str]:
        """The `eventID` of each change before the test."""
        return self._seeded.get(table, ())

    @contextmanager
    def seeding(self) -> Iterator[None]:
        """Changes that are made in the block are those before the test."""
        before = self._all_changes()
        yield
        for table, changes in self._all_changes().items():
            self._seeded.setdefault(table, set()).update(changes - before.get(table, set()))

    def _all_changes(self) -> dict[str, set[str]]:
        tables = list(dynamodb_backends[self._account_id][self._region].tables)
        return {table: {record["eventID"] for record in self.changes(table)} for table in tables}

    def _change(self, record: Mapping[str, Any], table: Any) -> Mapping[str, Any]:
        by = {f"{name[0].lower()}{name[1:]}": value for name, value in record.get("userIdentity", {}).items()}
        return {
            **record,
            **({"userIdentity": by} if by else {}),
            "eventSourceARN": f"{table.table_arn}/stream/{table.latest_stream_label}",
        }

    def _streamed(self, table: str) -> Any:
        found: Any = dynamodb_backends[self._account_id][self._region].tables.get(table)
        return found if found is not None and found.stream_shard is not None else None

    def _arn(self, service: str, name: str) -> str:
        return f"arn:{partition(self._region)}:{service}:{self._region}:{self._account_id}:{name}"


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
