"""The rows of sessions in DynamoDB: each method shows the requests that it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from chalicelib import items
from chalicelib.dynamodb import UNREADABLE, Rows, asking, names, pages, refused_by_condition, refused_by_transaction
from chalicelib.errors import (
    IdempotencyMismatch,
    RateLimited,
    SessionNotFound,
    Unavailable,
)
from chalicelib.logs import log
from chalicelib.members import Standing
from chalicelib.model import (
    NEVER,
    SESSION_PURGE,
    Change,
    Once,
    Page,
    Position,
    Session,
    Status,
    Write,
    Written,
    check_active,
    check_durable,
    from_rfc3339,
    rfc3339,
)
from chalicelib.rates import BURST, UNLIMITED, Rate, Verdict

ENDED: Final[items.Item] = {"S": Status.ENDED.value}
ONE: Final[items.Item] = {"N": "1"}
COUNTED: Final = "#version = #version + :one, #seq = #seq + :one, #changeSeq = #seq + :one, #seqAt = :seqAt"
"""Part of each change; `#seq` on the right is the one before."""
NO_VERSION: Final = -1  # matches no version, where a list must not be empty
UNREACHABLE: Final = 3  # shards, after which a sweep asks for no other: each may take 6 s of its 60 s


class SessionRows(Rows):
    """Sessions, and the queue of those that are due."""

    def create_session(self, session: Session, once: Once | None) -> Written:
        put = {
            "TableName": self._tables.sessions,
            "Item": items.session_item(session),
            "ConditionExpression": "attribute_not_exists(#sessionId)",
            "ExpressionAttributeNames": names("sessionId"),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if once is not None:
            return self._create_once(session, once, put)
        try:
            with asking():
                self._client.put_item(**put)  # type: ignore[arg-type]  # a transaction takes the same mapping
        except ClientError as exc:
            old = refused_by_condition(exc)
            if old is None or old.get("writtenBy") != {"S": session.written_by}:
                raise
        return Written(session, changed=True)

    def find_session(self, session_id: str) -> Session | None:
        with asking():
            answer = self._client.get_item(
                TableName=self._tables.sessions,
                Key={"sessionId": {"S": session_id}},
                ConsistentRead=True,
            )
        return items.to_session(answer["Item"]) if "Item" in answer else None

    def list_sessions(self, owner_id: str, after: Position | None, limit: int) -> Page:
        query: dict[str, Any] = {
            "TableName": self._tables.sessions,
            "IndexName": "by-owner",
            "KeyConditionExpression": "#ownerId = :owner",
            "ExpressionAttributeNames": names("ownerId"),
            "ExpressionAttributeValues": {":owner": {"S": owner_id}},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = {
                "ownerId": {"S": owner_id},
                "createdAt": {"S": rfc3339(after.created_at)},
                "sessionId": {"S": after.session_id},
            }
        with asking():
            answer = self._client.query(**query)
        last = answer.get("LastEvaluatedKey")
        return Page(
            tuple(_sessions(answer["Items"])),
            Position(from_rfc3339(last["createdAt"]["S"]), last["sessionId"]["S"]) if last else None,
        )

    def change_session(self, session_id: str, change: Change, write: Write) -> Written:
        """It writes the id of the request, too: if the condition fails on an item with this id, the write had happened
        and only its answer was lost.
        """
        now = {"S": rfc3339(write.now)}
        given = items.change_fields(change)
        sets = {**given, "updatedAt": now, "writtenBy": {"S": write.request_id}, "dueAt": items.due_at(write.now)}
        if change.status is Status.ENDED:
            sets |= {"endedAt": now}
        values = {f":{name}": value for name, value in sets.items()}
        values |= {":me": {"S": write.subject}, ":final": ENDED, ":one": ONE, ":seqAt": now}
        differs = "(" + " OR ".join(f"#{name} <> :{name}" for name in given) + ")"
        conditions = ["#ownerId = :me", "#status <> :final", "#expiresAt > :updatedAt", differs]
        if write.versions is not None:
            allowed = {f":v{i}": {"N": str(v)} for i, v in enumerate(sorted(write.versions) or [NO_VERSION])}
            values |= allowed
            conditions.append(f"#version IN ({', '.join(allowed)})")
        updates = ", ".join(f"#{name} = :{name}" for name in sets)
        updated, item = self._change(session_id, f"SET {updates}, {COUNTED}", " AND ".join(conditions), values)
        if not item:
            raise SessionNotFound(session_id)
        session = items.to_session(item)
        return Written(session, changed=updated or session.written_by == write.request_id)

    def expire_session(self, session_id: str, now: datetime, request_id: str) -> Written | None:
        updated, item = self._change(
            session_id,
            "SET #status = :ended, #endedAt = #expiresAt, #updatedAt = :now, #dueAt = :due, "
            f"#writtenBy = :writtenBy, {COUNTED}",
            "#status <> :ended AND #expiresAt <= :now AND #expiresAt > :kept",
            {
                ":ended": ENDED,
                ":now": {"S": rfc3339(now)},
                ":kept": {"S": rfc3339(now - SESSION_PURGE)},
                ":due": items.due_at(now),
                ":writtenBy": {"S": request_id},
                ":one": ONE,
                ":seqAt": {"S": rfc3339(now)},
            },
        )
        session = items.to_session(item) if item else None
        if session is None or session.purged_at(now):
            return None
        return Written(session, changed=updated or session.ended_by(request_id, now))

    def told_session(self, session: Session) -> None:
        self._change(
            session.session_id,
            "SET #dueAt = #expiresAt",
            "#version = :told AND #status <> :ended",
            {":told": {"N": str(session.version)}, ":ended": ENDED},
        )

    # --- what is due

    def due_sessions(self, now: datetime) -> Iterator[str]:
        unreachable: list[Unavailable] = []
        first = int(now.timestamp() // 60)  # another shard each minute: none starves where sweeps stop early
        for shard in ((first + i) % items.SHARDS for i in range(items.SHARDS)):
            found = pages(
                self._client,
                TableName=self._tables.sessions,
                IndexName="due",
                KeyConditionExpression="#dueShard = :shard AND #dueAt <= :now",
                ExpressionAttributeNames=names("dueShard", "dueAt"),
                ExpressionAttributeValues={
                    ":shard": {"S": str(shard)},
                    ":now": {"S": rfc3339(now)},
                },
            )
            try:
                for page in found:
                    yield from (item["sessionId"]["S"] for item in page)
            except Unavailable as exc:
                unreachable.append(exc)
                if len(unreachable) == UNREACHABLE:
                    break
        if unreachable:
            raise unreachable[0]

    def settle_session(self, session_id: str, now: datetime) -> None:
        self._change(
            session_id,
            "REMOVE #dueShard, #dueAt",
            "#status = :ended AND #dueAt <= :now",
            {":ended": ENDED, ":now": {"S": rfc3339(now)}},
        )

    def take_seq(
        self,
        session_id: str,
        now: datetime,
        rate: Rate = UNLIMITED,
        owner_id: str | None = None,
        *,
        durable: bool = False,
    ) -> Session:
        """The rate is metered in the same write; within a burst, in a second one, unless the first shows that
        it is used up."""
        conditions = ["#status = :active", "#expiresAt > :now"]
        values: dict[str, items.Item] = {
            ":one": ONE,
            ":active": {"S": Status.ACTIVE.value},
            ":now": {"S": rfc3339(now)},
        }
        if owner_id is not None:
            conditions.append("#ownerId = :owner")
            values[":owner"] = {"S": owner_id}
        if durable:
            conditions.append("#durable = :durable")
            values[":durable"] = {"BOOL": True}
        for metering, condition, given in _meterings(rate, now):
            updated, item = self._change(
                session_id,
                f"SET #seq = #seq + :one, #seqAt = :now{metering}",
                " AND ".join([*conditions, *condition]),
                values | given,
            )
            if not item:
                raise SessionNotFound(session_id)
            session = items.to_session(item)
            if updated:
                return session
            check_active(session, now, owner_id)
            if durable:
                check_durable(session)
            tat = items.to_moment(item["tat"])
            if rate.verdict(rate.moved(tat, now), now) is not Verdict.DONE:
                break
        raise RateLimited(rate.wait(tat, now))

    def take_presence_seq(self, session_id: str) -> Session | None:
        values = {":one": ONE, ":true": {"BOOL": True}}
        taken, item = self._change(session_id, "ADD #presenceSeq :one", "#presence = :true", values)
        return items.to_session(item) if taken else None

    def end_telling(self, session: Session) -> None:
        """If another number was taken meanwhile, its own request decides whether later changes are told."""
        ended, _ = self._since(session.session_id, NEVER, "#presenceSeq = :at", session.presence_seq)
        if not ended:
            next_one = session.presence_seq + 1
            self._since(
                session.session_id, next_one, "attribute_not_exists(#presenceSince) OR #presenceSince < :at", next_one
            )

    def begin_telling(self, session: Session) -> None:
        self._since(session.session_id, session.presence_seq, "#presenceSeq = :at", session.presence_seq)

    def _since(self, session_id: str, since: int, condition: str, at: int) -> tuple[bool, items.Item]:
        values = {":since": {"N": str(since)}, ":at": {"N": str(at)}}
        return self._change(session_id, "SET #presenceSince = :since", condition, values)

    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        sessions, connections = self._tables.sessions, self._tables.connections
        keys: dict[str, list[items.Item]] = {
            sessions: [{"sessionId": {"S": session_id}}],
            connections: [items.standing_key(session_id, subject)],
        }
        found = self.get_batch(keys)
        session = next(map(items.to_session, found[sessions]), None)
        return session, next(map(items.to_standing, found[connections]), Standing())

    # --- how requests are made

    def _create_once(self, session: Session, once: Once, put: dict[str, Any]) -> Written:
        put_record = {
            "TableName": self._tables.connections,
            "Item": items.once_item(session, once),
            # a record past its purgeAt counts as purged, before DynamoDB removes it
            "ConditionExpression": "attribute_not_exists(#place) OR #purgeAt <= :now",
            "ExpressionAttributeNames": names("place", "purgeAt"),
            "ExpressionAttributeValues": {":now": items.seconds(session.created_at)},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            with asking():
                self._client.transact_write_items(
                    TransactItems=[{"Put": put_record}, {"Put": put}],  # type: ignore[typeddict-item]  # the same mapping
                    ClientRequestToken=session.session_id,
                )
        except ClientError as exc:
            before = refused_by_transaction(exc)
            if not before:
                raise
            if before["fingerprint"]["S"] != once.fingerprint:
                raise IdempotencyMismatch(once.key) from exc
            if before["sessionId"]["S"] == session.session_id:
                return Written(session, changed=True)  # only the answer was lost
            found = self.find_session(before["sessionId"]["S"])
            if found is None:
                raise SessionNotFound(before["sessionId"]["S"]) from exc
            return Written(found, changed=False)
        return Written(session, changed=True)

    def _change(
        self, session_id: str, update: str, condition: str, values: Mapping[str, Any]
    ) -> tuple[bool, items.Item]:
        return self.update(self._tables.sessions, {"sessionId": {"S": session_id}}, update, condition, values)


def _meterings(rate: Rate, now: datetime) -> Iterator[tuple[str, list[str], dict[str, items.Item]]]:
    """Updates of a meter, their conditions and values: for one that is full, then for one that holds another."""
    if not rate.cost:
        yield "", [], {}
        return
    full = {":tat": items.microseconds(rate.moved(None, now)), ":at": items.microseconds(now)}
    yield ", #tat = :tat", ["(attribute_not_exists(#tat) OR #tat <= :at)"], full
    some = {":cost": items.duration(rate.cost), ":most": items.microseconds(now + BURST - rate.cost)}
    yield ", #tat = #tat + :cost", ["#tat <= :most"], some


def _sessions(page: Sequence[items.Item]) -> Iterator[Session]:
    """Sessions of the rows. A row that cannot be read is logged, and must not take the list of its owner."""
    for item in page:
        try:
            yield items.to_session(item)
        except UNREADABLE:
            log.exception("a row of a session cannot be read")
