"""What waits for clients that do not read, and what a lost $disconnect leaves undone."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway import values
from pytest_sessionplugin.gateway.stalled import Stalled
from pytest_sessionplugin.gateway.values import Accept, Close, Closed, DisconnectLost, Effect, Send

from .desk import Desk


def test_what_is_for_others_does_not_wait() -> None:
    stalled = Stalled()
    stalled.stall("alice", lambda: None)
    assert not stalled.keeps(Send("bob", "x"))
    assert not stalled.keeps(Accept("alice"))
    assert stalled.resume("bob") == []


def test_frames_and_the_close_behind_them_wait_in_order_and_frames_are_told_of() -> None:
    stalled, held = Stalled(), list[None]()
    stalled.stall("alice", lambda: held.append(None))
    effects: list[Effect] = [Send("alice", "1"), Send("alice", "2"), Close("alice", 1000)]
    assert all(stalled.keeps(effect) for effect in effects)
    assert len(held) == 2
    assert stalled.resume("alice") == effects
    assert not stalled.keeps(Send("alice", "3"))


def test_a_line_is_full_when_more_bytes_wait_than_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_sessionplugin.gateway.stalled.MAX_BACKLOG", 4)
    stalled = Stalled()
    stalled.stall("alice", lambda: None)
    stalled.keeps(Send("alice", "éé"))
    assert not stalled.is_full("alice")
    stalled.keeps(Send("alice", "."))
    assert stalled.is_full("alice")
    stalled.resume("alice")
    assert not stalled.is_full("alice")
    assert values.MAX_BACKLOG == 16 * 1024 * 1024


def test_a_second_stall_of_a_client_loses_nothing() -> None:
    stalled = Stalled()
    stalled.stall("alice", lambda: None)
    stalled.keeps(Send("alice", "1"))
    stalled.stall("alice", lambda: None)
    assert stalled.resume("alice") == [Send("alice", "1")]


def test_a_disconnect_that_is_lost_does_not_run_and_the_connection_is_gone_all_the_same() -> None:
    desk = Desk()
    desk.open()
    assert desk.receive(DisconnectLost("alice")) == []
    assert desk.receive(Closed("alice", 1006)) == []
    assert desk.manage("POST", body=b"x")[0].status == 410
    assert desk.receive(DisconnectLost("alice")) == []  # of a connection that is gone: nothing to do
