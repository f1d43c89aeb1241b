"""Values as DynamoDB items and back: the names and types of attributes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from chalicelib import jsontext
from chalicelib.model import (
    CONNECTION_PURGE,
    IDEMPOTENCY_PURGE,
    KEEP,
    PENDING,
    SESSION_PURGE,
    Change,
    Connection,
    Endpoint,
    Once,
    Recipient,
    Session,
    Status,
    from_rfc3339,
    rfc3339,
)

Item = Mapping[str, Any]  # attribute name -> {"S": …}, as DynamoDB writes it

SHARDS: Final = 16  # of the index `due`, which spread a minute's sessions over partitions


def change_fields(change: Change) -> dict[str, Any]:
    """The attributes that a change sets."""
    given: dict[str, Any] = {}
    if change.status is not KEEP:
        given["status"] = {"S": change.status.value}
    if change.title is not KEEP:
        given["title"] = nullable(change.title)
    if change.metadata is not KEEP:
        given["metadata"] = {"S": jsontext.compact(change.metadata)}
    return given


def nullable(text: str | None) -> Item:
    return {"NULL": True} if text is None else {"S": text}


def once_item(session: Session, once: Once) -> Item:
    """The record of a create, under its owner and the caller's key."""
    return {
        "place": {"S": f"idempotency#{session.owner_id}"},
        "connectionId": {"S": once.key},
        "sessionId": {"S": session.session_id},
        "fingerprint": {"S": once.fingerprint},
        "purgeAt": seconds(session.created_at + IDEMPOTENCY_PURGE),
    }


def due_at(changed_at: datetime) -> Item:
    """When the sweep looks at a change: its delivery, and handshakes that it did not see, are over by then."""
    return {"S": rfc3339(changed_at + PENDING)}


def seconds(at: datetime) -> Item:
    """Whole seconds since 1970, as TTL needs them."""
    return {"N": str(int(at.timestamp()))}


def session_item(session: Session) -> dict[str, Any]:
    return {
        "sessionId": {"S": session.session_id},
        "ownerId": {"S": session.owner_id},
        "status": {"S": session.status.value},
        "title": nullable(session.title),
        "metadata": {"S": jsontext.compact(session.metadata)},
        "durable": {"BOOL": session.durable},
        "presence": {"BOOL": session.presence},
        "version": {"N": str(session.version)},
        "seq": {"N": str(session.seq)},
        "changeSeq": {"N": str(session.change_seq)},
        "createdAt": {"S": rfc3339(session.created_at)},
        "updatedAt": {"S": rfc3339(session.updated_at)},
        "expiresAt": {"S": rfc3339(session.expires_at)},
        "writtenBy": {"S": session.written_by},
        "dueShard": {"S": str(zlib.crc32(session.session_id.encode()) % SHARDS)},
        "dueAt": {"S": rfc3339(session.expires_at)},
        "purgeAt": seconds(session.expires_at + SESSION_PURGE),
    }


def to_session(item: Item) -> Session:
    return Session(
        session_id=item["sessionId"]["S"],
        owner_id=item["ownerId"]["S"],
        status=to_status(item["status"]["S"]),
        title=item["title"].get("S"),
        metadata=json.loads(item["metadata"]["S"]) if "metadata" in item else None,
        durable=item["durable"]["BOOL"],
        presence=item["presence"]["BOOL"],
        version=int(item["version"]["N"]),
        seq=int(item["seq"]["N"]) if "seq" in item else 0,
        created_at=from_rfc3339(item["createdAt"]["S"]),
        updated_at=from_rfc3339(item["updatedAt"]["S"]),
        expires_at=from_rfc3339(item["expiresAt"]["S"]),
        ended_at=from_rfc3339(item["endedAt"]["S"]) if "endedAt" in item else None,
        written_by=item["writtenBy"]["S"] if "writtenBy" in item else "",
        change_seq=int(item.get("changeSeq", item.get("seq", {"N": "0"}))["N"]),  # an earlier version has only `seq`
        due_at=from_rfc3339(item["dueAt"]["S"]) if "dueAt" in item else None,
    )


def to_status(text: str) -> Status:
    """A status that a later version has written counts as paused: nobody publishes before that version is here."""
    try:
        return Status(text)
    except ValueError:
        return Status.PAUSED


def connection_items(connection: Connection) -> list[Item]:
    """Both copies: one is found by the connection's id, the other in its session."""
    common = {
        "subject": {"S": connection.subject},
        "sessionId": {"S": connection.session_id},
        "connectedAt": {"S": rfc3339(connection.connected_at)},
        "tokenExpiresAt": {"S": rfc3339(connection.token_expires_at)},
        "apiId": {"S": connection.endpoint.api_id},
        "stage": {"S": connection.endpoint.stage},
        "region": {"S": connection.endpoint.region},
        "purgeAt": seconds(connection.connected_at + CONNECTION_PURGE),
    }
    return [{**key, **common} for key in connection_keys(connection)]


def connection_keys(recipient: Recipient) -> list[Item]:
    connection_id = {"S": recipient.connection_id}
    return [
        {"place": {"S": connection_place(recipient.connection_id)}, "connectionId": connection_id},
        {"place": {"S": session_place(recipient.session_id)}, "connectionId": connection_id},
    ]


def connection_place(connection_id: str) -> str:
    return f"connection#{connection_id}"


def session_place(session_id: str) -> str:
    return f"session#{session_id}"


def to_connection(item: Item) -> Connection:
    recipient = to_recipient(item, item["sessionId"]["S"])
    return Connection(**vars(recipient), subject=item["subject"]["S"])


RECIPIENT: Final = ("connectionId", "connectedAt", "tokenExpiresAt", "apiId", "stage", "region")


def to_recipient(item: Item, session_id: str) -> Recipient:
    return Recipient(
        connection_id=item["connectionId"]["S"],
        session_id=session_id,
        connected_at=from_rfc3339(item["connectedAt"]["S"]),
        token_expires_at=from_rfc3339(item["tokenExpiresAt"]["S"]),
        endpoint=Endpoint(item["apiId"]["S"], item["stage"]["S"], item["region"]["S"]),
    )
