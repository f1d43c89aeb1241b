"""Which calls a race holds, and for how long; without AWS and without a gateway."""

from __future__ import annotations

import threading
from collections.abc import Collection

import pytest

from pytest_sessionplugin.aws import races as races_module
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.races import Races
from pytest_sessionplugin.errors import RaceNotRun

UPDATE = Call("dynamodb", "UpdateItem")
POST = Call("apigatewaymanagementapi", "PostToConnection")


@pytest.fixture
def races() -> Races:
    return Races()


def test_all_are_held_until_the_last_is_there_and_then_all_go(races: Races) -> None:
    written: list[int] = []

    def reads_and_writes() -> int:
        seen = len(written)
        races.hold(UPDATE, None)
        written.append(seen)
        return seen

    with races("dynamodb:UpdateItem", parties=8) as race:
        assert race.run(*[reads_and_writes] * 8) == [0] * 8
    assert (race.came, race.met) == (8, True)


def test_other_calls_and_other_connections_are_not_held(races: Races) -> None:
    with races("apigatewaymanagementapi:PostToConnection", "VNR=") as race:
        race.run(
            lambda: races.hold(UPDATE, None),
            lambda: races.hold(POST, "XYZ="),
            lambda: races.hold(POST, "VNR="),
            lambda: races.hold(POST, "VNR="),
        )
    assert race.came == 2


def test_nobody_is_held_before_or_after_the_block(races: Races) -> None:
    race = races("dynamodb:UpdateItem")
    races.hold(UPDATE, None)
    with race:
        race.run(*[lambda: races.hold(UPDATE, None)] * 2)
    races.hold(UPDATE, None)
    assert race.came == 2


def test_too_few_fail_as_soon_as_no_thread_moves(races: Races) -> None:
    sentence = r"^1 of 2 calls came to dynamodb:UpdateItem, and nothing else was running that could make another\.$"
    with races("dynamodb:UpdateItem") as race, pytest.raises(RaceNotRun, match=sentence):
        race.run(lambda: races.hold(UPDATE, None))
    assert races.never_run == ()  # RaceNotRun has said so


def test_a_thread_that_still_moves_is_waited_for() -> None:
    held = threading.Event()

    def at_rest(threads: Collection[int], invocations: Collection[str]) -> bool:
        held.set()  # both were looked at: one is held, the other moves
        return not threads

    races = Races(at_rest)

    def comes_late() -> None:
        assert held.wait(10)
        races.hold(UPDATE, None)

    with races("dynamodb:UpdateItem") as race:
        race.run(lambda: races.hold(UPDATE, None), comes_late)
    assert race.met


def test_a_thread_that_never_comes_is_waited_for_a_bounded_time(races: Races, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races_module, "PATIENCE", 0.01)
    over = threading.Event()

    def comes_and_goes_on() -> None:
        races.hold(UPDATE, None)
        over.set()

    with races("dynamodb:UpdateItem") as race, pytest.raises(RaceNotRun, match=r"no other came within 0\.01 s"):
        race.run(comes_and_goes_on, lambda: over.wait(10))


def test_what_never_comes_to_rest_is_waited_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races_module, "PATIENCE", 0.01)
    races = Races(lambda threads, invocations: False)
    with races("dynamodb:UpdateItem") as race, pytest.raises(RaceNotRun, match="what else was running made no other"):
        race.run(lambda: None)


def test_a_block_that_fails_lets_everybody_go_and_hides_nothing(races: Races) -> None:
    thread = threading.Thread(target=races.hold, args=(UPDATE, None))

    def fails() -> None:
        with races("dynamodb:UpdateItem"):
            thread.start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    thread.join(10)
    assert not thread.is_alive()


def test_a_race_that_was_never_run_is_known(races: Races) -> None:
    race = races("dynamodb:UpdateItem")
    with races("dynamodb:PutItem"):
        pass
    assert [str(each) for each in races.never_run] == ["dynamodb:UpdateItem", "dynamodb:PutItem"]
    with pytest.raises(RaceNotRun, match="over, or not begun"):
        race.run()


def test_only_posts_are_about_connections(races: Races) -> None:
    with pytest.raises(ValueError, match="only calls of apigatewaymanagementapi are about connections"):
        races("dynamodb:UpdateItem", "VNR=")
