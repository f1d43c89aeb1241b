"""Ids that are made in stock."""

from __future__ import annotations

import re
import uuid

import pytest

from pytest_sessionplugin.gateway import values
from pytest_sessionplugin.gateway.runtime import STOCK, SlowClients, new_id, new_uuid
from pytest_sessionplugin.gateway.values import Accept, Close, Closed, DisconnectLost, Effect, Send
from tests.gateway.core.desk import Desk


def test_no_id_is_given_twice_though_they_are_made_in_stock() -> None:
    assert len({new_id() for _ in range(3 * STOCK)}) == len({new_uuid() for _ in range(3 * STOCK)}) == 3 * STOCK


def test_they_have_the_forms_of_api_gateway() -> None:
    assert re.fullmatch(r"[\w-]{15}=", new_id(), re.ASCII)
    made = new_uuid()
    assert str(uuid.UUID(made)) == made
    assert uuid.UUID(made).version == 4


def test_what_is_for_others_does_not_wait() -> None:
    stalled = SlowClients()
    stalled.stall("alice", lambda: None)
    assert not stalled.keeps(Send("bob", "x"))
    assert not stalled.keeps(Accept("alice"))
    assert stalled.resume("bob") == []


def test_frames_and_the_close_behind_them_wait_in_order_and_frames_are_told_of() -> None:
    stalled, held = SlowClients(), list[None]()
    stalled.stall("alice", lambda: held.append(None))
    effects: list[Effect] = [Send("alice", "1"), Send("alice", "2"), Close("alice", 1000)]
    assert all(stalled.keeps(effect) for effect in effects)
    assert len(held) == 2
    assert stalled.resume("alice") == effects
    assert not stalled.keeps(Send("alice", "3"))


def test_a_line_is_full_when_more_bytes_wait_than_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_sessionplugin.gateway.runtime.MAX_BACKLOG", 4)
    stalled = SlowClients()
    stalled.stall("alice", lambda: None)
    stalled.keeps(Send("alice", "éé"))
    assert not stalled.is_full("alice")
    stalled.keeps(Send("alice", "."))
    assert stalled.is_full("alice")
    stalled.resume("alice")
    assert not stalled.is_full("alice")
    assert values.MAX_BACKLOG == 16 * 1024 * 1024


def test_a_second_stall_of_a_client_loses_nothing() -> None:
    stalled = SlowClients()
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
