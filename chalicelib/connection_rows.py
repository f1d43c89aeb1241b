"""The rows of connections in DynamoDB, of what owners said of subjects, and of tickets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib import items
from chalicelib.dynamodb import UNREADABLE, Rows, asking, names, pages
from chalicelib.logs import log
from chalicelib.members import Connection, Metered, Recipient, Role, Standing, Ticket, subject_key
from chalicelib.model import Session, rfc3339
from chalicelib.rates import Rate


class ConnectionRows(Rows):
    """The table of connections."""

    # --- connections

    def connect(self, connection: Connection) -> None:
        for item in items.connection_items(connection):
            self.write_batches(self._tables.connections, [{"PutRequest": {"Item": item}}])

    def disconnect(self, *recipients: Recipient) -> None:
        keys = [key for recipient in recipients for key in items.connection_keys(recipient)]
        self.write_batches(self._tables.connections, [{"DeleteRequest": {"Key": key}} for key in keys])

    def expel(self, *recipients: Recipient) -> None:
        for keys in zip(*map(items.connection_keys, recipients), strict=True):
            self.write_batches(self._tables.connections, [{"DeleteRequest": {"Key": key}} for key in keys])

    def find_connection(self, connection_id: str) -> Connection | None:
        with asking():
            answer = self._client.get_item(
                TableName=self._tables.connections, Key=items.pointer_key(connection_id), ConsistentRead=True
            )
        return items.to_connection(answer["Item"]) if "Item" in answer else None

    def meter(self, connection_id: str, now: datetime, rate: Rate) -> Metered | None:
        """Within a burst, the frame is added to those before it by a second request."""
        key, table = items.pointer_key(connection_id), self._tables.connections
        updated, item = self.update(
            table,
            key,
            "SET #tat = :tat",
            "attribute_exists(#place) AND (attribute_not_exists(#tat) OR #tat <= :now)",
            {":tat": items.microseconds(rate.moved(None, now)), ":now": items.microseconds(now)},
        )
        if not updated and item and rate.cost:
            updated, item = self.update(
                table, key, "ADD #tat :cost", "attribute_exists(#place)", {":cost": items.duration(rate.cost)}
            )
        return Metered(items.to_connection(item), items.to_moment(item["tat"])) if item else None

    def refresh(self, connection: Connection, token_expires_at: datetime) -> datetime | None:
        expires_at: datetime | None = None
        for key in reversed(items.connection_keys(connection)):  # the roster's row first
            _, item = self.update(
                self._tables.connections,
                key,
                "SET #tokenExpiresAt = :expires",
                "attribute_exists(#place) AND #tokenExpiresAt < :expires",
                {":expires": {"S": rfc3339(token_expires_at)}},
            )
            if not item:
                return None
            expires_at = items.to_connection(item).token_expires_at
        return expires_at

    def set_role(self, connection: Connection, role: Role, revision: int) -> None:
        for key in items.connection_keys(connection):
            self.update(
                self._tables.connections,
                key,
                "SET #role = :role, #roleRevision = :revision",
                "attribute_exists(#place) AND (attribute_not_exists(#roleRevision) OR #roleRevision < :revision)",
                {":role": {"S": role.value}, ":revision": {"N": str(revision)}},
            )

    def end_hand_over(self, connection: Connection) -> None:
        self.update(
            self._tables.connections,
            items.pointer_key(connection.connection_id),
            "REMOVE #replaces",
            "#replaces = :replaces",
            {":replaces": {"S": str(connection.replaces)}},
        )

    def note_presence(self, connection: Connection) -> None:
        self._mark(items.pointer_key(connection.connection_id), "SET #presence = :true", {":true": {"BOOL": True}})

    def mark_ready(self, connection: Connection) -> bool:
        _, row = items.connection_keys(connection)
        return self._mark(row, "SET #ready = :true", {":true": {"BOOL": True}})

    def set_state(self, connection: Connection, state: str, at: datetime) -> bool:
        _, row = items.connection_keys(connection)
        values = {":state": {"S": state}, ":at": {"S": rfc3339(at)}}
        return self._mark(row, "SET #state = :state, #stateAt = :at", values)

    def _mark(self, key: items.Item, update: str, values: Mapping[str, Any]) -> bool:
        done, _ = self.update(self._tables.connections, key, update, "attribute_exists(#place)", values)
        return done

    # --- the roster of a session

    def look(self, session_id: str, subject: str, at_most: int) -> tuple[Standing, Sequence[Connection]]:
        """One query, which begins at the standing of the subject, and asks for twice as many rows as are wanted."""
        standing = items.standing_key(session_id, subject)
        query = {**self._of_roster(session_id), "Limit": 2 * at_most}
        query["ExpressionAttributeValues"][":member"] = standing["member"]
        said, ready = Standing(), list[Connection]()
        for page in pages(self._client, **query):
            said = next((items.to_standing(item) for item in page if item["member"] == standing["member"]), said)
            there = _connections([item for item in page if item["member"]["S"] >= items.FIRST_MEMBER["S"]])
            ready += [one for one in there if one.ready]
            if len(ready) >= at_most:
                break
        return said, ready[:at_most]

    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        query = self._of_roster(session_id)
        query["ProjectionExpression"] = ", ".join(f"#{name}" for name in items.RECIPIENT)
        query["ExpressionAttributeNames"] |= names(*items.RECIPIENT)
        for page in pages(self._client, **query):
            yield list(_connections(page))

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        query = self._of_roster(session_id)
        query["KeyConditionExpression"] = "#place = :place AND begins_with(#member, :member)"
        query["ExpressionAttributeValues"][":member"] = {"S": f"{subject_key(subject)}#"}
        return [one for page in pages(self._client, **query) for one in _connections(page)]

    def roster_page(self, session_id: str, after: str | None, limit: int) -> tuple[Sequence[Connection], str | None]:
        query = {**self._of_roster(session_id), "Limit": limit}
        if after is not None:
            query["ExclusiveStartKey"] = {"place": items.session_place(session_id), "member": {"S": after}}
        with asking():
            answer = self._client.query(**query)
        last = answer.get("LastEvaluatedKey")
        return list(_connections(answer["Items"])), last["member"]["S"] if last else None

    def _of_roster(self, session_id: str) -> dict[str, Any]:
        return {
            "TableName": self._tables.connections,
            "KeyConditionExpression": "#place = :place AND #member >= :member",
            "ExpressionAttributeNames": names("place", "member"),
            "ExpressionAttributeValues": {
                ":place": items.session_place(session_id),
                ":member": items.FIRST_MEMBER,
            },
            "ConsistentRead": True,
        }

    # --- the owner's word on a subject

    def set_standing_role(self, session: Session, subject: str, role: Role) -> Standing:
        _, item = self.update(
            self._tables.connections,
            items.standing_key(session.session_id, subject),
            "SET #role = :role, #purgeAt = :purge ADD #revision :one",
            None,
            {":role": {"S": role.value}, ":purge": items.session_purge(session), ":one": {"N": "1"}},
        )
        return items.to_standing(item)

    def ban(self, session: Session, subject: str, until: datetime | None) -> None:
        values = {":purge": items.session_purge(session)}
        update = "SET #purgeAt = :purge REMOVE #bannedUntil"
        if until is not None:
            update = "SET #purgeAt = :purge, #bannedUntil = :until"
            values[":until"] = {"S": rfc3339(until)}
        key = items.standing_key(session.session_id, subject)
        self.update(self._tables.connections, key, update, None, values)

    # --- tickets

    def put_ticket(self, ticket: Ticket) -> None:
        with asking():
            self._client.put_item(TableName=self._tables.connections, Item=items.ticket_item(ticket))

    def use_ticket(
        self, digest: str, session_id: str, origin: str | None, connection_id: str, now: datetime
    ) -> Ticket | None:
        allowed = "attribute_not_exists(#origin)" + ("" if origin is None else " OR #origin = :origin")
        values = {
            ":me": {"S": connection_id},
            ":session": {"S": session_id},
            ":now": {"S": rfc3339(now)},
            **({} if origin is None else {":origin": {"S": origin}}),
        }
        _, item = self.update(
            self._tables.connections,
            items.ticket_key(digest),
            "SET #usedBy = :me",
            f"#sessionId = :session AND #expiresAt > :now AND ({allowed})"
            " AND (attribute_not_exists(#usedBy) OR #usedBy = :me)",
            values,
        )
        return items.to_ticket(item) if item else None


def _connections(page: Sequence[items.Item]) -> Iterator[Connection]:
    """Connections of the rows. A row that cannot be read is logged, and must not keep a frame from the others."""
    for item in page:
        try:
            yield items.to_connection(item)
        except UNREADABLE:
            log.exception("a row of a connection cannot be read")
