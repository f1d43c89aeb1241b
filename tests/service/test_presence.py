"""Presence as clients hear it, on the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import connections, errors, participants, presence
from chalicelib.errors import Unavailable
from chalicelib.frames import Frame
from chalicelib.members import Recipient, Role
from chalicelib.memory import MemoryStore
from chalicelib.model import Session
from chalicelib.sessions import END
from tests.service.client_values import People
from tests.service.fakes import ALICE, NOON, write
from tests.service.rooms import Room

HOUR = timedelta(hours=1)


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_hello_is_told_to_the_others_and_answered_with_who_is_in(room: Room) -> None:
    assert room.enter("alice")["participants"] == [{"subject": "alice", "role": "owner"}]
    room.connect("bob", role=Role.VIEWER)
    welcome = room.say("bob", "hello")
    assert (welcome["presence"], welcome["presenceSeq"]) == ("on", 2)
    shown = sorted(welcome["participants"], key=lambda one: str(one["subject"]))
    assert shown == [{"subject": "alice", "role": "owner"}, {"subject": "bob", "role": "viewer"}]
    joined = [{"subject": "bob", "role": "viewer"}]
    assert room.hear() == [("alice", {"type": "presence", "n": 2, "join": joined, "leave": [], "correlationId": "c"})]


def test_a_repeated_hello_is_told_again_under_a_later_number(room: Room) -> None:
    """Its client may repeat it because a function died before it told."""
    room.enter("alice")
    room.enter("bob")
    room.say("bob", "hello")
    [(to, frame)] = room.hear()
    assert (to, frame["n"], [one["subject"] for one in frame["join"]]) == ("alice", 3, ["bob"])


def test_a_connection_that_said_no_hello_is_neither_told_nor_told_of(room: Room) -> None:
    room.connect("silent")
    assert [one["subject"] for one in room.enter("alice")["participants"]] == ["alice"]
    room.enter("bob")
    assert "silent" not in room.pictures


def test_a_subject_leaves_with_the_last_of_its_connections(room: Room) -> None:
    room.enter("alice")
    for device in ("phone", "laptop"):
        room.enter(device, "bob")
    assert room.sees("alice") == {"alice", "bob"}
    room.leave("phone")
    assert room.sees("alice") == {"alice", "bob"}
    room.leave("laptop")
    assert room.sees("alice") == {"alice"}


def test_what_is_shown_of_a_subject_follows_the_connections_that_stay(room: Room) -> None:
    """Otherwise the state of a connection that has left would stay with those who heard of it, and with them alone."""
    room.enter("alice")
    room.enter("phone", "bob", role=Role.VIEWER)
    room.enter("laptop", "bob")
    room.say("laptop", "state", data={"hand": "up"})
    room.hear()
    assert room.pictures["alice"].there["bob"] == {"subject": "bob", "role": "participant", "state": {"hand": "up"}}
    room.leave("laptop")
    assert room.pictures["alice"].there["bob"] == {"subject": "bob", "role": "viewer"}


def test_a_delivery_that_finds_a_ghost_tells_that_it_left(room: Room) -> None:
    """No $disconnect came, and no time is measured: the next frame to it does it."""
    for one in ("alice", "bob", "ghost"):
        room.enter(one)
    room.gone.add("ghost")
    assert room.sees("alice") == {"alice", "bob", "ghost"}
    room.say("alice", "publish", data=1)
    room.hear()
    assert room.sees("alice") == room.sees("bob") == {"alice", "bob"}
    assert room.store.find_connection("ghost") is None


def test_ghosts_that_are_found_while_another_is_told_of_leave_too(room: Room) -> None:
    for one in ("alice", "bob", "ghost", "specter"):
        room.enter(one)
    room.gone |= {"ghost", "specter"}
    room.say("alice", "send", to="ghost", data=1)
    room.hear()
    assert room.sees("alice") == room.sees("bob") == {"alice", "bob"}


def test_an_older_update_is_dropped(room: Room) -> None:
    room.enter("alice")
    room.enter("bob")
    room.say("bob", "state", data=1)
    room.say("bob", "state", data=2)
    frames = [frame for to, frame in room.hear() if to == "alice"]
    assert [frame["n"] for frame in frames] == [3, 4]
    client = People()
    for frame in reversed(frames):
        client.presence(frame)
    assert client.there["bob"]["state"] == 2


def test_a_state_is_told_as_a_join_and_kept(room: Room) -> None:
    room.enter("alice")
    room.enter("bob")
    assert room.say("bob", "state", data={"é": [1, 2.5, None]}) == {"type": "ack", "sent": 2, "missed": 0}
    bob = {"subject": "bob", "role": "participant", "state": {"é": [1, 2.5, None]}}
    assert [(to, frame["join"]) for to, frame in room.hear()] == [("alice", [bob]), ("bob", [bob])]
    assert bob in room.enter("carol")["participants"]


def test_the_state_of_a_subject_is_the_last_that_any_connection_of_it_set(room: Room) -> None:
    for device in ("phone", "laptop"):
        room.enter(device, "bob")
    for seconds, device, data, shown in (
        (1, "phone", 1, 1),
        (2, "laptop", 2, 2),
        (3, "phone", 3, 3),
        (4, "laptop", None, None),
    ):
        room.clock.now = NOON + timedelta(seconds=seconds)
        room.say(device, "state", data=data)
        [bob] = room.say("phone", "hello")["participants"]
        assert bob.get("state") == shown


def test_a_state_has_at_most_256_bytes_of_json(room: Room) -> None:
    room.enter("bob")
    room.say("bob", "state", data="é" * 127)
    with pytest.raises(errors.InvalidRequest, match="257 bytes; at most 256"):
        room.say("bob", "state", data="é" * 127 + "x")


def test_a_state_before_hello_is_kept_and_not_told(room: Room) -> None:
    room.enter("alice")
    room.connect("bob")
    room.say("bob", "state", data=1)
    room.hear()
    assert room.sees("alice") == {"alice"}
    assert {"subject": "bob", "role": "participant", "state": 1} in room.hello("bob")["participants"]


def test_a_viewer_has_a_state(room: Room) -> None:
    room.enter("alice")
    room.enter("bob", role=Role.VIEWER)
    room.say("bob", "state", data=1)
    room.hear()
    assert room.pictures["alice"].there["bob"] == {"subject": "bob", "role": "viewer", "state": 1}


def test_a_state_of_a_connection_that_was_removed_meanwhile_is_refused_and_told_to_nobody(room: Room) -> None:
    room.enter("alice")
    room.enter("bob")
    bob = room.store.find_connection("bob")
    assert bob is not None
    room.leave("bob")
    with pytest.raises(errors.ConnectionNotFound):
        presence.set_state(bob, 1, **room.told)
    assert room.hear() == []
    assert room.store.find_connection("bob") is None


def test_without_presence_there_is_neither_state_nor_who_is_in() -> None:
    room = Room(presence=False)
    assert not {"presence", "presenceSeq", "participants"} & room.enter("bob").keys()
    assert "presence" not in room.say("bob", "ping")
    with pytest.raises(errors.NoPresence):
        room.say("bob", "state", data=1)
    room.enter("alice")
    room.leave("bob")
    assert room.hear() == []
    assert room.stored().presence_seq == 0


def test_a_kicked_subject_has_left(room: Room) -> None:
    room.enter("alice")
    for device in ("phone", "laptop"):
        room.enter(device, "bob")
    participants.kick_participant(room.session.session_id, ALICE, "bob", HOUR, **room.told)
    heard = [frame for to, frame in room.hear() if to == "alice"]
    assert [(frame["join"], frame["leave"]) for frame in heard] == [([], ["bob"])]
    for device in ("phone", "laptop"):
        connections.disconnect(device, **room.told)
    assert room.hear() == []


def test_a_role_that_the_owner_gives_is_told_to_everybody(room: Room) -> None:
    room.enter("alice")
    for device in ("phone", "laptop"):
        room.enter(device, "bob")
    participants.set_role(room.session.session_id, ALICE, "bob", Role.VIEWER, **room.told)
    room.hear()
    for client in ("alice", "phone", "laptop"):
        assert room.pictures[client].there["bob"] == {"subject": "bob", "role": "viewer"}
    participants.set_role(room.session.session_id, ALICE, "nobody", Role.VIEWER, **room.told)
    assert room.hear() == []


def test_a_hello_of_a_banned_subject_is_refused_and_not_told(room: Room) -> None:
    """A kick may have died before it removed the connection."""
    room.enter("alice")
    room.connect("bob")
    room.store.ban(room.session, "bob", NOON + HOUR)
    with pytest.raises(errors.Kicked):
        room.say("bob", "hello")
    assert room.hear() == []


def test_a_hand_over_is_heard_of_by_nobody(room: Room) -> None:
    room.enter("alice")
    room.enter("old", "bob")
    room.connect("new", "bob", replaces="old")
    room.say("new", "ping")
    assert room.hear() == [("old", {**closing("replaced"), "reconnect": "never", "correlationId": "c"})]
    connections.disconnect("old", **room.told)
    assert room.sees("alice") == {"alice", "bob"}
    room.leave("new")
    assert room.sees("alice") == {"alice"}, "it left though it never said hello"


def closing(code: str) -> dict[str, Any]:
    return {"type": "closing", "code": code, "reason": errors.Replaced("").detail}


def test_the_end_of_a_session_tells_of_nobody(room: Room) -> None:
    for one in ("alice", "bob", "carol"):
        room.enter(one)
    room.store.change_session(room.session.session_id, END, write())
    room.gone |= {"carol"}
    room.leave("bob")
    welcome = room.say("alice", "hello")
    assert welcome["session"]["status"] == "ended"
    assert room.hear() == []


def test_a_connection_that_was_removed_while_it_said_hello_stays_removed(room: Room) -> None:
    room.connect("bob")
    bob = room.store.find_connection("bob")
    assert bob is not None
    room.leave("bob")
    with pytest.raises(errors.ConnectionNotFound):
        presence.join(bob, **room.told)
    assert room.store.find_connection("bob") is None


class Deaf(MemoryStore):
    def take_presence_seq(self, session_id: str) -> Session | None:
        raise Unavailable("The database")


class LostAnswer(MemoryStore):
    """Its first answer that connections are removed is lost."""

    lost = 0

    def expel(self, *recipients: Recipient) -> None:
        super().expel(*recipients)
        if not self.lost:
            self.lost += 1
            raise Unavailable("lost")


def test_a_kick_that_is_made_again_tells_who_has_left() -> None:
    """The first may have died after it removed the connections."""
    room = Room(store := LostAnswer())
    room.enter("alice")
    room.enter("bob")
    with pytest.raises(Unavailable):
        participants.kick_participant(room.session.session_id, ALICE, "bob", HOUR, **room.told)
    assert store.lost == 1
    removal = participants.kick_participant(room.session.session_id, ALICE, "bob", HOUR, **room.told)
    assert removal.closed == 0
    assert [(to, frame["leave"]) for to, frame in room.hear()] == [("alice", ["bob"])]


def test_a_message_is_sent_and_a_kick_done_though_nobody_can_be_told_who_left() -> None:
    room = Room(Deaf())
    for one in ("alice", "bob", "ghost"):
        room.connect(one)
    room.gone.add("ghost")
    assert room.say("alice", "publish", data=1)["sent"] == 1
    removal = participants.kick_participant(room.session.session_id, ALICE, "bob", HOUR, **room.told)
    assert removal.closed == 1


class Stuck(MemoryStore):
    """Removes nothing."""

    def disconnect(self, *recipients: Any) -> None:
        raise Unavailable("The database")


def test_ghosts_whose_rows_cannot_be_removed_are_told_of_once() -> None:
    room = Room(Stuck())
    for one in ("alice", "ghost"):
        room.enter(one)
    room.gone.add("ghost")
    room.say("alice", "publish", data=1)
    assert [(to, frame["type"]) for to, frame in room.hear()] == [
        ("ghost", "message"),
        ("alice", "presence"),
        ("ghost", "presence"),
    ]
    assert room.sees("alice") == {"alice", "ghost"}


# --- rooms of about a hundred


def fill(room: Room, first: int, last: int) -> None:
    for i in range(first, last + 1):
        room.enter(f"{i}=")


def everybody_sees(room: Room, subjects: set[str]) -> None:
    for client in room.pictures:
        assert room.sees(client) == subjects, client


def count(room: Room, each: Callable[[Frame], list[Any]]) -> list[int]:
    """Collects how many subjects the frames that are heard from now on tell of."""
    counts: list[int] = []
    hear = room.hear

    def counting() -> list[tuple[str, Mapping[str, Any]]]:
        heard = hear()
        counts.extend(len(each(frame)) for _, frame in heard if frame["type"] == "presence")
        return heard

    room.hear = counting  # type: ignore[method-assign]
    return counts


def test_a_room_of_a_hundred_fills_and_empties(room: Room) -> None:
    """By at most 4,950 joins and as many leaves, after each of which each client sees who is in."""
    joins, leaves = count(room, lambda frame: list(frame["join"])), count(room, lambda frame: list(frame["leave"]))
    subjects = [f"{i}=" for i in range(1, 101)]
    fill(room, 1, 100)
    everybody_sees(room, set(subjects))
    assert sum(joins) == 4950
    assert sum(leaves) == 0
    for i in range(100):
        room.leave(subjects[i])
        if i % 10 == 0:
            everybody_sees(room, set(subjects[i + 1 :]))
    assert (sum(joins), sum(leaves)) == (4950, 4950)


def test_of_more_than_a_hundred_nothing_is_told_until_they_are_fewer(room: Room) -> None:
    fill(room, 1, 100)
    assert room.say("1=", "ping") == {"type": "pong", "seq": 0, "version": 1, "presence": "on", "presenceSince": 0}
    welcome = room.enter("101=")
    assert (welcome["presence"], welcome["presenceSeq"]) == ("off", 101)
    assert not {"participants", "more"} & welcome.keys()
    assert room.hear() == []
    assert room.say("101=", "state", data=1) == {"type": "ack", "sent": 0, "missed": 0}
    assert room.say("1=", "ping")["presence"] == "off"
    assert room.leave("7=") == [], "nor the first change after it, until each client has said hello"
    pong = room.say("1=", "ping")
    assert (pong["presence"], pong["presenceSince"]) == ("on", 103)
    for client in list(room.pictures):
        assert room.hello(client)["presence"] == "on"
    fewer = {f"{i}=" for i in range(1, 102)} - {"7="}
    everybody_sees(room, fewer)
    room.leave("8=")
    everybody_sees(room, fewer - {"8="})


def test_whoever_never_saw_that_it_was_off_sees_by_a_number_that_its_picture_has_a_hole(room: Room) -> None:
    """Between two pings the 101st came and another went."""
    fill(room, 1, 100)
    base = room.pictures["1="]._base
    room.enter("101=")
    room.leave("7=")
    pong = room.say("1=", "ping")
    assert pong["presence"] == "on"
    assert pong["presenceSince"] > base
    assert room.hello("1=")["presenceSeq"] >= pong["presenceSince"]


def test_a_late_leave_of_a_crowd_does_not_begin_the_telling_for_a_later_one(room: Room) -> None:
    fill(room, 1, 101)
    crowded = room.store.take_presence_seq(room.session.session_id)
    assert crowded is not None
    room.store.take_presence_seq(room.session.session_id)
    room.store.begin_telling(crowded)
    assert room.stored().crowded


def test_more_ghosts_than_fit_a_frame_are_told_of_in_several(room: Room) -> None:
    room.enter("alice")
    ghosts = [f"{i:03d}" + "\N{GRINNING FACE}" * 252 for i in range(150)]
    for i, subject in enumerate(ghosts):
        room.connect(f"{i}=", subject)
        room.gone.add(f"{i}=")
    room.say("alice", "publish", data=1)
    heard = [frame for _, frame in room.hear() if frame["type"] == "presence"]
    assert sorted(one for frame in heard for one in frame["leave"]) == ghosts
    assert len(heard) == 3
