"""One lock around the core: ids, slow clients, invocations, and the order in which a sink gets effects."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_sessionplugin.gateway import values
from pytest_sessionplugin.gateway.activity import Activity, NotQuiet
from pytest_sessionplugin.gateway.runtime import Runtime, SlowClients, new_id
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Close,
    Closed,
    DisconnectLost,
    Effect,
    Handshake,
    Invoke,
    Manage,
    Observed,
    Refuse,
    Request,
    Respond,
    Returned,
    Route,
    RunFunction,
    Send,
)
from tests.gateway.core.desk import NOON, Desk

API = Api(routes=(Route("/", frozenset({"GET"})),))


class Sink:
    """Collects effects, and runs nothing."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.flushed: list[int] = []  # how many effects there were at each flush

    def put(self, effect: Effect) -> None:
        self.effects.append(effect)

    def flush(self) -> None:
        self.flushed.append(len(self.effects))

    @property
    def invokes(self) -> list[Invoke]:
        return [each for each in self.effects if isinstance(each, Invoke)]


def answering(text: str) -> RunFunction:
    return lambda invoke: {"statusCode": 200, "body": text}


OLD = answering("old")


def runtime(functions: RunFunction = OLD, **given: Any) -> tuple[Runtime, Sink]:
    sink = Sink()
    options = {"activity": Activity(), "clock": lambda: NOON, "ids": new_id, "observe": None, **given}
    return Runtime(API, functions, sink, **options), sink


def test_no_id_is_given_twice() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_an_id_has_the_form_of_api_gateway() -> None:
    assert re.fullmatch(r"[\w-]{15}=", new_id(), re.ASCII)


@pytest.mark.parametrize("event", [None, "text", 1, [1, {"a": []}], {"a": {"b": [1]}}])
def test_an_observer_can_keep_any_event_as_it_was_before_the_function_ran(event: Any) -> None:
    def spoil(invoke: Invoke) -> None:
        if isinstance(invoke.event, dict):
            invoke.event["a"]["b"].append(2)

    seen: list[Observed] = []
    runtime(spoil, observe=lambda each: seen.append(each.kept()))[0].invoke("job", event)
    invoke = seen[0].what
    assert isinstance(invoke, Invoke)
    assert invoke.event == event


def test_what_waits_for_a_thread_runs_on_what_was_deployed_when_it_was_asked_for() -> None:
    gateway, sink = runtime()
    gateway.receive(Request("1", "GET", "/"))
    gateway.redeploy(API, answering("new"))
    gateway.receive(Request("2", "GET", "/"))
    for invoke in sink.invokes:
        gateway.run(invoke)
    bodies = {each.request_id: each.reply.body for each in sink.effects if isinstance(each, Respond)}
    assert bodies == {"1": b"old", "2": b"new"}
    assert gateway.invoke("api_handler", {})["body"] == "new"


def test_effects_are_put_before_the_lock_is_released_and_flushed_after() -> None:
    activity = Activity()
    gateway, sink = runtime(activity=activity)
    put, flush, locked = sink.put, sink.flush, list[tuple[str, bool]]()

    def noted(name: str, action: Callable[..., None]) -> Callable[..., None]:
        def act(*given: Effect) -> None:
            locked.append((name, not activity.changed.acquire(blocking=False)))
            if not locked[-1][1]:
                activity.changed.release()
            action(*given)

        return act

    sink.put, sink.flush = noted("put", put), noted("flush", flush)  # type: ignore[method-assign]
    gateway.receive(Request("1", "GET", "/"))
    assert locked == [("put", True), ("flush", False)]


def test_an_invocation_is_under_way_until_it_has_returned() -> None:
    activity = Activity()
    gateway, sink = runtime(activity=activity)
    gateway.receive(Request("1", "GET", "/"))
    (invoke,) = sink.invokes
    assert activity.under_way() == {invoke.invocation_id}
    assert gateway.invocations() == 1
    with pytest.raises(NotQuiet, match="still running: api_handler"):
        activity.quiet(0.0)
    gateway.run(invoke)
    assert activity.under_way() == frozenset()
    activity.quiet(0.0)


def test_an_invocation_of_the_core_that_does_not_run_cannot_return() -> None:
    with pytest.raises(LookupError, match="invocation x is not running"):
        runtime()[0].receive(Returned("x"))


def test_a_function_that_is_invoked_later_tells_its_end_before_it_counts_as_returned() -> None:
    activity = Activity()
    gateway, sink = runtime(activity=activity)
    told: list[tuple[BaseException | None, frozenset[str]]] = []
    gateway.invoke_later("job", {}, "r1", lambda error: told.append((error, activity.under_way())))
    (invoke,) = sink.invokes
    gateway.run(invoke)
    assert told == [(None, frozenset({"r1"}))]
    assert activity.under_way() == frozenset()


def test_an_interrupt_is_raised_once_and_only_the_first() -> None:
    activity = Activity()
    for reason in ("first", "second"):
        activity.interrupt(KeyboardInterrupt(reason))
    with pytest.raises(KeyboardInterrupt, match="first"):
        activity.raise_interrupt()
    activity.raise_interrupt()


def test_a_job_runs_after_the_action_that_set_it_off_and_one_of_a_busy_thread_at_the_end_of_the_turn() -> None:
    activity, done = Activity(), list[str]()

    def action() -> None:
        with activity.changed:
            activity.defer(lambda: done.append("job"))
        other = threading.Thread(target=stray)
        other.start()
        other.join()
        done.append("action")

    def stray() -> None:
        with activity.changed:
            activity.defer(lambda: done.append("stray"))
        activity.run_strays()

    activity.turn(action)
    assert done == ["action", "job", "stray"]


def test_every_call_of_the_management_api_is_observed_with_its_answer() -> None:
    seen: list[Observed] = []
    gateway, _ = runtime(observe=seen.append)
    call = Manage("POST", API.host(API.websocket_api_id), "/api/@connections/x", b"hi")
    assert gateway.manage(call).status == 410
    assert [(each.what, each.reply.status if each.reply else None) for each in seen] == [(call, 410)]


def test_a_handshake_too_many_is_refused() -> None:
    gateway, sink = runtime(throttles=lambda: True)
    gateway.receive(Handshake("alice"))
    (effect,) = sink.effects
    assert isinstance(effect, Refuse)
    assert effect.reply.status == 429


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
