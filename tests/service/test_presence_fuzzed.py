"""A room with presence in which anything may happen, one thing after the other: each client sees who is in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chalicelib import connections, participants, presence
from chalicelib.members import Connection, Role, person
from tests.service.fakes import ALICE, NOON
from tests.service.fuzz import EXAMPLES, thorough
from tests.service.rooms import Room

MOST = 4  # ready connections, beyond which nobody is told
SUBJECTS = st.sampled_from(["alice", "bob", "carol", "dan"])


class Presence(RuleBasedStateMachine):
    """The connections that are open, and how many there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room()
        self.open: list[str] = []
        self.ghosts: list[str] = []
        self.number = 0

    def new(self, subject: str, **known: Any) -> str:
        self.number += 1
        connection_id = f"{self.number}="
        self.room.connect(connection_id, subject, **known)
        self.open.append(connection_id)
        return connection_id

    def closed(self, connection_id: str) -> None:
        self.open.remove(connection_id)
        self.room.pictures.pop(connection_id, None)

    def there(self) -> Sequence[Connection]:
        _, ready = self.room.store.look(self.room.session.session_id, "alice", 1_000)
        return ready

    @rule(subject=SUBJECTS, role=st.sampled_from([None, Role.VIEWER]))
    def enter(self, subject: str, role: Role | None) -> None:
        self.room.hello(self.new(subject, role=role))

    @rule(subject=SUBJECTS)
    def connect(self, subject: str) -> None:
        self.new(subject)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def hello(self, data: st.DataObject) -> None:
        self.room.hello(data.draw(st.sampled_from(self.open)))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), seconds=st.integers(0, 2), state=st.sampled_from([None, 1, {"x": "é"}]))
    def show(self, data: st.DataObject, seconds: int, state: Any) -> None:
        self.room.clock.advance(seconds=seconds)
        self.room.say(data.draw(st.sampled_from(self.open)), "state", data=state)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def take_a_place(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.open))
        found = self.room.store.find_connection(old)
        assert found is not None
        self.room.hello(self.new(found.subject, replaces=old))
        self.closed(old)
        connections.disconnect(old, **self.room.told)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        left = data.draw(st.sampled_from(self.open))
        self.closed(left)
        self.room.leave(left)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(self.open))
        self.closed(gone)
        self.ghosts.append(gone)
        self.room.gone.add(gone)

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data())
    def end_late(self, data: st.DataObject) -> None:
        ghost = data.draw(st.sampled_from(self.ghosts))
        self.ghosts.remove(ghost)
        self.room.leave(ghost)

    @rule()
    def publish(self) -> None:
        self.room.deliver.broadcast(self.room.session.session_id, {"type": "message"}, began=NOON)
        left = {one.connection_id for one in self.there()} & set(self.ghosts)
        assert not left, f"the ghosts {left} stay"

    @rule(subject=st.sampled_from(["bob", "carol"]))
    def kick(self, subject: str) -> None:
        of = self.room.store.connections_of(self.room.session.session_id, subject)
        participants.kick_participant(self.room.session.session_id, ALICE, subject, timedelta(0), **self.room.told)
        for one in of:
            if one.connection_id in self.open:
                self.closed(one.connection_id)

    @rule(subject=st.sampled_from(["bob", "carol"]), role=st.sampled_from([Role.VIEWER, Role.PARTICIPANT]))
    def give_role(self, subject: str, role: Role) -> None:
        participants.set_role(self.room.session.session_id, ALICE, subject, role, **self.room.told)

    @invariant()
    def each_client_sees_who_is_in(self) -> None:
        """By its next `ping` it learns that it does not, and says hello."""
        self.room.hear()
        self.room.pictures = {one: people for one, people in self.room.pictures.items() if one in self.open}
        for client in list(self.room.pictures):
            pong = self.room.say(client, "ping")
            if pong["presence"] == "on" and not self.room.pictures[client].is_whole(pong["presenceSince"]):
                self.room.hello(client)
                pong = self.room.say(client, "ping")
            there = self.there()
            assert (pong["presence"] == "off") == (len(there) > MOST)
            if pong["presence"] == "on":
                look = presence.Look(self.room.stored(), self.room.store.look("", "", 1)[0], there)
                assert self.room.pictures[client].there == {one.subject: person(one) for one in look.participants}

    def teardown(self) -> None:
        self.room.hear()


@pytest.mark.slow
def test_each_client_sees_who_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "CROWD", MOST)
    run_state_machine_as_test(Presence, settings=thorough(EXAMPLES, shrinks=True, stateful_step_count=25))
