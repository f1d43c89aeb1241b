"""Values as DynamoDB items and back: the names and types of attributes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chalicelib import jsontext
from chalicelib.events import PUBLISH_PURGE, Event, Kind, Published
from chalicelib.members import (
    CONNECTION_PURGE,
    PENDING,
    Connection,
    Duplicates,
    Endpoint,
    Recipient,
    Role,
    Standing,
    Ticket,
    subject_key,
)
from chalicelib.model import (
    IDEMPOTENCY_PURGE,
    KEEP,
    SESSION_PURGE,
    Change,
    Once,
    Session,
    Status,
    from_rfc3339,
    rfc3339,
)

Item = Mapping[str, Any]  # attribute name -> {"S": …}, as DynamoDB writes it

ALONE: Final[Item] = {"S": "-"}  # the `member` of a place that has one
FIRST_MEMBER: Final[Item] = {"S": "0"}  # of a roster: what sorts before is standings
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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
    if change.join_as is not KEEP:
        given["joinAs"] = {"S": change.join_as.value}
    return given


def nullable(text: str | None) -> Item:
    return {"NULL": True} if text is None else {"S": text}


def once_item(session: Session, once: Once) -> Item:
    """The record of a create, under its owner and the caller's key."""
    return {
        "place": {"S": f"create#{session.owner_id}"},
        "member": {"S": once.key},
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


def microseconds(at: datetime) -> Item:
    """Whole microseconds since 1970: a meter that rounds more would let too many or too few through."""
    return duration(at - EPOCH)


def duration(time: timedelta) -> Item:
    """Whole microseconds."""
    return {"N": str(time // timedelta(microseconds=1))}


def to_moment(item: Item) -> datetime:
    """The moment of whole microseconds since 1970."""
    return EPOCH + timedelta(microseconds=int(item["N"]))


def session_item(session: Session) -> dict[str, Any]:
    most = session.max_connections
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
        "joinAs": {"S": session.join_as.value},
        "duplicates": {"S": session.duplicates.value},
        **({} if most is None else {"maxConnections": {"N": str(most)}}),
        "purgeAt": session_purge(session),
    }


def session_purge(session: Session) -> Item:
    """When a session goes, and what its owner said with it."""
    return seconds(session.expires_at + SESSION_PURGE)


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
        seq_at=from_rfc3339(item["seqAt"]["S"]) if "seqAt" in item else None,
        presence_seq=int(item["presenceSeq"]["N"]) if "presenceSeq" in item else 0,
        presence_since=int(item["presenceSince"]["N"]) if "presenceSince" in item else 0,
        join_as=Role(item["joinAs"]["S"]) if "joinAs" in item else Role.PARTICIPANT,
        duplicates=Duplicates(item["duplicates"]["S"]) if "duplicates" in item else Duplicates.ALLOW,
        max_connections=int(item["maxConnections"]["N"]) if "maxConnections" in item else None,
    )


def to_status(text: str) -> Status:
    """A status that a later version has written counts as paused: nobody publishes before that version is here."""
    try:
        return Status(text)
    except ValueError:
        return Status.PAUSED


def connection_items(connection: Connection) -> list[Item]:
    """Both rows of a connection: the pointer, found by its id, then its row in the session's roster."""
    role, replaces = connection.role, connection.replaces
    common = {
        "subject": {"S": connection.subject},
        "connectedAt": {"S": rfc3339(connection.connected_at)},
        "tokenExpiresAt": {"S": rfc3339(connection.token_expires_at)},
        "apiId": {"S": connection.endpoint.api_id},
        "stage": {"S": connection.endpoint.stage},
        "region": {"S": connection.endpoint.region},
        **({} if role is None else {"role": {"S": role.value}, "roleRevision": {"N": "0"}}),
        **({} if replaces is None else {"replaces": {"S": replaces}}),
        "purgeAt": seconds(connection.connected_at + CONNECTION_PURGE),
    }
    pointer, row = connection_keys(connection)
    return [{**pointer, "sessionId": {"S": connection.session_id}, **common}, {**row, **common}]


def connection_keys(recipient: Recipient) -> list[Item]:
    """The keys of both rows, the pointer's first."""
    return [
        pointer_key(recipient.connection_id),
        {"place": session_place(recipient.session_id), "member": {"S": recipient.member}},
    ]


def pointer_key(connection_id: str) -> Item:
    return {"place": {"S": f"connection#{connection_id}"}, "member": ALONE}


def session_place(session_id: str) -> Item:
    return {"S": f"session#{session_id}"}


RECIPIENT: Final = (
    "place",
    "member",
    "subject",
    "connectedAt",
    "tokenExpiresAt",
    "apiId",
    "stage",
    "region",
    "replaces",
)
"""Attributes of a roster's row that a delivery or a count of seats needs."""


def to_connection(item: Item) -> Connection:
    """The connection of either of its rows."""
    place, member = item["place"]["S"], item["member"]["S"]
    return Connection(
        connection_id=member.partition("#")[2] or place.partition("#")[2],
        session_id=item["sessionId"]["S"] if "sessionId" in item else place.partition("#")[2],
        connected_at=from_rfc3339(item["connectedAt"]["S"]),
        token_expires_at=from_rfc3339(item["tokenExpiresAt"]["S"]),
        endpoint=Endpoint(item["apiId"]["S"], item["stage"]["S"], item["region"]["S"]),
        subject=item["subject"]["S"],
        role=Role(item["role"]["S"]) if "role" in item else None,
        replaces=item["replaces"]["S"] if "replaces" in item else None,
        presence="presence" in item,
        ready="ready" in item,
        state=item["state"]["S"] if "state" in item else None,
        state_at=from_rfc3339(item["stateAt"]["S"]) if "stateAt" in item else None,
    )


def standing_key(session_id: str, subject: str) -> Item:
    return {"place": session_place(session_id), "member": {"S": f"!{subject_key(subject)}"}}


def to_standing(item: Item) -> Standing:
    return Standing(
        role=Role(item["role"]["S"]) if "role" in item else None,
        banned_until=from_rfc3339(item["bannedUntil"]["S"]) if "bannedUntil" in item else None,
        revision=int(item["revision"]["N"]) if "revision" in item else 0,
    )


def ticket_key(digest: str) -> Item:
    return {"place": {"S": f"ticket#{digest}"}, "member": ALONE}


def ticket_item(ticket: Ticket) -> Item:
    ends, lasts = ticket.token_expires_at, ticket.lasts
    optional = {
        "role": {"S": ticket.role.value} if ticket.role else None,
        "origin": {"S": ticket.origin} if ticket.origin else None,
        "replaces": {"S": ticket.replaces} if ticket.replaces else None,
        "tokenExpiresAt": {"S": rfc3339(ends)} if ends else None,
        "lasts": {"N": str(int(lasts.total_seconds()))} if lasts else None,
    }
    return {
        **ticket_key(ticket.digest),
        "sessionId": {"S": ticket.session_id},
        "subject": {"S": ticket.subject},
        "expiresAt": {"S": rfc3339(ticket.expires_at)},
        **{name: value for name, value in optional.items() if value is not None},
        "purgeAt": seconds(ticket.expires_at),
    }


def to_ticket(item: Item) -> Ticket:
    return Ticket(
        digest=item["place"]["S"].partition("#")[2],
        session_id=item["sessionId"]["S"],
        subject=item["subject"]["S"],
        expires_at=from_rfc3339(item["expiresAt"]["S"]),
        role=Role(item["role"]["S"]) if "role" in item else None,
        origin=item["origin"]["S"] if "origin" in item else None,
        replaces=item["replaces"]["S"] if "replaces" in item else None,
        token_expires_at=from_rfc3339(item["tokenExpiresAt"]["S"]) if "tokenExpiresAt" in item else None,
        lasts=timedelta(seconds=int(item["lasts"]["N"])) if "lasts" in item else None,
        used_by=item["usedBy"]["S"] if "usedBy" in item else None,
    )


def event_item(event: Event) -> Item:
    if event.kind is Kind.VOID:
        contents = {}
    else:
        contents = {
            "data": {"S": event.data},
            "sender": {"S": event.sender},
            "correlationId": {"S": event.correlation_id},
        }
    return {
        "sessionId": {"S": event.session_id},
        "seq": {"N": str(event.seq)},
        "kind": {"S": event.kind.value},
        "at": {"S": rfc3339(event.at)},
        **contents,
        "purgeAt": seconds(event.purge_at),
    }


def to_event(item: Item) -> Event:
    contents = {}
    if "data" in item:
        contents = {
            "data": item["data"]["S"],
            "sender": item["sender"]["S"],
            "correlation_id": item["correlationId"]["S"],
        }
    return Event(
        session_id=item["sessionId"]["S"],
        seq=int(item["seq"]["N"]),
        kind=Kind(item["kind"]["S"]),
        at=from_rfc3339(item["at"]["S"]),
        purge_at=EPOCH + timedelta(seconds=int(item["purgeAt"]["N"])),
        **contents,
    )


def publish_key(session_id: str, subject: str, key: str) -> Item:
    return {"place": {"S": f"publish#{session_id}#{subject_key(subject)}"}, "member": {"S": key}}


def publish_item(event: Event, subject: str, once: Once, now: datetime) -> Item:
    """The record of a publish, under its session, its subject and the caller's key."""
    return {
        **publish_key(event.session_id, subject, once.key),
        "seq": {"N": str(event.seq)},
        "fingerprint": {"S": once.fingerprint},
        "purgeAt": seconds(now + PUBLISH_PURGE),
    }


def to_published(item: Item) -> Published:
    return Published(int(item["seq"]["N"]), item["fingerprint"]["S"])
