"""Closes the open WebSockets of a stage: after a key leaked, or a table was restored.

A socket outlives the key that admitted it, until its token expires or API Gateway cuts it after two hours.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from chalicelib import frames, items
from chalicelib.delivery import WORKERS, Answer, Delivery, ManagementApi
from chalicelib.errors import TokenExpired
from chalicelib.members import Connection
from chalicelib.settings import Tables
from chalicelib.storage import Store
from deployment.aws import Aws
from deployment.errors import DeploymentError
from deployment.stage import Stage

LEFT: Final = "{failed} of {all} sockets could not be closed: run the command again."


def close_all(aws: Aws, stage: Stage) -> int:
    """Tells each client that its token has expired, closes its socket, and returns how many there were.

    The table names the sockets; `$disconnect` removes their rows. Needs dynamodb:Scan on the table of connections and
    execute-api:ManageConnections on the WebSocket API. Raises DeploymentError if some may still be open.
    """
    names = {logical.lower(): name for logical, name in stage.tables.items()}
    delivery = Delivery(
        Store(aws.client("dynamodb"), Tables(**names)),
        ManagementApi(),
        clock=lambda: datetime.now(UTC),
        random=lambda: 1.0,
    )
    correlation_id = str(uuid.uuid4())
    with ThreadPoolExecutor(WORKERS) as threads:
        answers = Counter(
            threads.map(lambda one: _close(delivery, one, correlation_id), _connections(aws, names["connections"]))
        )
    failed = answers.total() - answers[Answer.DONE] - answers[Answer.GONE]
    if failed:
        raise DeploymentError(LEFT.format(failed=failed, all=answers.total()))
    return answers[Answer.DONE]


def _close(delivery: Delivery, connection: Connection, correlation_id: str) -> Answer:
    frame = frames.closing(TokenExpired(connection.connection_id), correlation_id)
    return delivery.close(connection.endpoint, connection.connection_id, frame, began=datetime.now(UTC))


def _connections(aws: Aws, table: str) -> Iterator[Connection]:
    pages = (
        aws.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=table,
            ConsistentRead=True,
            FilterExpression="begins_with(#place, :connection)",  # the pointers: a session's roster has the same
            ExpressionAttributeNames={"#place": "place"},
            ExpressionAttributeValues={":connection": items.pointer_key("")["place"]},
        )
    )
    for page in pages:
        yield from map(items.to_connection, page["Items"])
