"""The store on DynamoDB."""

from __future__ import annotations

from chalicelib.connection_rows import ConnectionRows
from chalicelib.dynamodb import asking
from chalicelib.errors import Unavailable
from chalicelib.event_rows import EventRows
from chalicelib.session_rows import SessionRows


class Store(SessionRows, EventRows, ConnectionRows):
    """Sessions, events, connections and what belongs to them. May be used by several threads at once."""

    def answers(self) -> None:
        """Reaches all tables in one request. Raises Unavailable."""
        nothing = {"S": "-"}
        keys = {
            self._tables.sessions: {"sessionId": nothing},
            self._tables.connections: {"place": nothing, "member": nothing},
            self._tables.events: {"sessionId": nothing, "seq": {"N": "0"}},
        }
        with asking():
            answer = self._client.batch_get_item(RequestItems={t: {"Keys": [key]} for t, key in keys.items()})
        if answer.get("UnprocessedKeys"):
            raise Unavailable("A table")
