"""The reference client, rule by rule: back-off, half-open sockets, refresh and hand-over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.model import rfc3339
from tests.service.client import Client
from tests.service.client_values import (
    Answered,
    Close,
    Effect,
    Open,
    Send,
    State,
    WantToken,
)
from tests.service.fakes import NOON
from tests.service.scripted import (
    Driver,
    actions,
    ended,
    live,
    message,
    numbers,
    pong,
    welcome,
)

# --- back-off


def test_back_off_doubles_up_to_thirty_seconds_and_starts_anew_after_a_minute_that_was_well() -> None:
    driver = Driver()
    driver.start()
    waits = []
    for socket in range(1, 8):
        driver.refused(503, "unavailable", socket=socket)
        waits.append(driver.wait())
        driver.after(30)
    assert waits == [0.5, 1, 2, 4, 8, 15, 15]
    driver.welcome(driver.open(8), socket=8)
    driver.after(30)
    driver.closes(socket=8)
    assert driver.wait() == 15
    driver.after(15)
    driver.welcome(driver.open(9), socket=9)
    driver.after(44)
    driver.gets(pong(), socket=9)
    driver.after(16)
    driver.closes(socket=9)
    assert driver.wait() == 0.5


def test_a_connection_that_is_never_welcomed_does_not_start_back_off_anew() -> None:
    driver = live()
    driver.after(44)
    driver.gets(pong())
    driver.after(17)
    waits = []
    for socket in (1, 2, 3, 4):
        driver.open(socket)
        driver.closes(socket=socket)
        waits.append(driver.wait())
        driver.after(driver.wait())
    assert waits == [0.5, 1, 2, 4]


def test_jitter_is_over_the_whole_wait() -> None:
    driver = Driver(Client(lambda: 0.0))
    driver.start()
    assert driver.refused() == [Open(2, None, renew=False)]


def test_the_services_wait_is_the_least() -> None:
    driver = Driver()
    driver.start()
    driver.refused(503, "unavailable", retry_after=6)
    assert driver.wait() == 6


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (403, "banned"),
        (403, "origin_refused"),
        (404, "session_not_found"),
        (409, "duplicate"),
        (410, "session_ended"),
    ],
)
def test_a_refusal_for_good_ends(status: int, code: str) -> None:
    driver = Driver()
    driver.start()
    assert ended(driver.refused(status, code)) == code
    assert driver.after(86_400) == []


def test_a_refused_credential_is_replaced_once() -> None:
    driver = Driver()
    driver.start()
    driver.refused(401, "unauthenticated")
    assert driver.after(1) == [Open(2, None, renew=True)]
    assert ended(driver.refused(401, "unauthenticated", socket=2)) == "unauthenticated"


def test_a_full_session_is_tried_again_after_thirty_seconds_and_then_longer() -> None:
    driver = Driver()
    driver.start()
    waits = []
    for socket in (1, 2, 3):
        driver.refused(409, "session_full", socket=socket)
        waits.append(driver.wait())
        driver.after(driver.wait())
    assert waits == [45, 90, 180]


# --- half-open sockets


def test_a_client_pings_and_hears_of_what_it_missed() -> None:
    driver = live()
    assert actions(driver.after(45)) == ["ping"]
    driver.gets(pong())
    assert actions(driver.after(45)) == ["ping"]


def test_a_socket_that_is_silent_after_a_ping_is_given_up() -> None:
    driver = live()
    driver.after(45)
    assert driver.after(29.9) == []
    done = driver.after(1)
    assert done == [Close(1), Open(2, "one=", renew=False)]


def test_any_frame_shows_that_the_line_is_well() -> None:
    driver = live()
    driver.after(45)
    driver.gets(message(1))
    assert Close(1) not in driver.after(44)


@pytest.mark.parametrize("opens", [False, True], ids=["handshake", "hello"])
def test_a_handshake_and_a_hello_without_an_answer_are_given_up(opens: bool) -> None:
    driver = Driver()
    driver.start()
    if opens:
        driver.after(10)
        driver.open()
    assert driver.after(29.9) == []
    assert Close(1) in driver.after(0.1)


def test_a_client_that_slept_pings_at_once_and_gives_up_what_stays_silent() -> None:
    driver = live()
    driver.clock.advance(hours=1)
    assert "ping" in actions(driver.client.tick(driver.clock()))
    assert Close(1) in driver.after(30)


def test_of_an_answer_that_never_came_the_end_is_not_known() -> None:
    driver = live()
    driver.asks()
    driver.gets(message(1))
    assert driver.after(29.9) == []
    assert driver.after(0.1) == [Answered(2, None)]


# --- refresh


def test_a_token_is_refreshed_five_minutes_before_its_end() -> None:
    driver = live(lasts=3600)
    driver.client._timers.pop(("ping", 0))
    assert driver.after(55 * 60 - 1) == []
    assert driver.after(1) == [WantToken()]
    assert driver.client.refresh("new", driver.clock()) == [Send(1, {"action": "refresh", "token": "new", "id": 2})]
    driver.gets({"type": "ack", "replyTo": 2, "tokenExpiresAt": rfc3339(driver.clock() + timedelta(hours=1))})
    assert WantToken() not in driver.after(55 * 60 - 1)
    assert WantToken() in driver.after(1)


def test_a_short_token_is_refreshed_at_half_of_its_time() -> None:
    driver = live(lasts=80)
    assert driver.after(39) == []
    assert driver.after(1) == [WantToken()]


def test_the_end_that_a_pong_tells_counts_over_the_own_clock() -> None:
    driver = live(lasts=86_400)
    assert WantToken() in driver.gets(pong(tokenExpiresAt=rfc3339(NOON + timedelta(minutes=4))))
    assert WantToken() not in driver.gets(pong(tokenExpiresAt=rfc3339(NOON + timedelta(minutes=4))))


def test_between_two_refreshes_are_thirty_seconds() -> None:
    assert live(lasts=40).after(29) == []
    assert live(lasts=-3600).after(29) == []  # a clock that is early
    assert live(lasts=40).after(30) == [WantToken()]


def test_a_refresh_that_failed_is_made_again() -> None:
    driver = live(lasts=3600)
    driver.client._timers.pop(("ping", 0))
    driver.after(55 * 60)
    assert driver.after(30) == [WantToken()]


def test_a_guest_hands_over_with_another_ticket() -> None:
    driver = live(client=Client(lambda: 0.5, refreshes=False), lasts=80)
    assert driver.after(40) == [Open(2, "one=", renew=True)]


# --- hand-over


def moving() -> tuple[Driver, list[Effect]]:
    """A client whose next socket is open, and its effects from then on."""
    driver = live(2)
    driver.client._timers["move", 0] = driver.clock()
    assert driver.client.tick(driver.clock()) == [Open(2, "one=", renew=False)]
    return driver, driver.open(2)


def test_at_reconnect_at_the_next_connection_opens_beside_the_old_one() -> None:
    driver = live()
    for _ in range(146):
        assert actions(driver.after(45)) == ["ping"]
        driver.gets(pong())
    assert driver.after(29) == []
    assert driver.after(1) == [Open(2, "one=", renew=False)]


def test_both_are_heard_until_welcome_and_then_the_old_one_is_closed() -> None:
    driver, greeting = moving()
    assert greeting == [Send(2, {"action": "hello", "id": 2, "resume": {"seq": 2}})]
    assert numbers(driver.gets(message(3), socket=1)) == [3]
    assert numbers(driver.gets(message(3), socket=2)) == []
    driver.gets({"type": "closing", "code": "replaced", "reconnect": "never"}, socket=1)
    done = driver.welcome(greeting, 3, socket=2, connectionId="two=")
    assert Close(1) in done
    assert driver.client.state is State.LIVE
    assert driver.closes(1000, socket=1) == []
    assert driver.asks() == [Send(2, {"action": "publish", "data": 1, "id": 3})]


def test_the_old_one_may_close_before_the_welcome_of_the_next() -> None:
    driver, greeting = moving()
    driver.gets({"type": "closing", "code": "replaced", "reconnect": "never"}, socket=1)
    assert driver.closes(1000, socket=1) == []
    with pytest.raises(RuntimeError, match="greeting"):
        driver.asks()
    driver.welcome(greeting, 2, socket=2)
    assert driver.client.state is State.LIVE


def test_a_kick_during_a_hand_over_ends() -> None:
    driver, _ = moving()
    driver.gets({"type": "closing", "code": "kicked", "reconnect": "never"}, socket=1)
    done = driver.closes(1000, socket=1)
    assert ended(done) == "kicked"
    assert Close(2) in done


def test_another_connection_that_takes_the_place_is_not_ones_own() -> None:
    driver = live()
    driver.client._timers["move", 0] = driver.clock()
    driver.client.tick(driver.clock())
    driver.gets({"type": "closing", "code": "replaced", "reconnect": "never"}, socket=1)
    assert ended(driver.closes(1000, socket=1)) == "replaced"


def test_hello_waits_for_what_is_unanswered_on_the_old_one_and_new_frames_wait_for_hello() -> None:
    driver = live()
    driver.client._timers["move", 0] = driver.clock()
    driver.client.tick(driver.clock())
    driver.asks()
    assert driver.open(2) == []
    assert driver.asks() == []
    done = driver.gets({"type": "ack", "seq": 1, "version": 1, "replyTo": 2})
    assert [(one.socket, one.frame["action"]) for one in done if isinstance(one, Send)] == [
        (2, "hello"),
        (2, "publish"),
    ]


def test_a_clock_that_is_early_hands_over_once_a_minute_at_most() -> None:
    driver = live(reconnectAt=rfc3339(NOON - timedelta(hours=1)))
    driver.after(45)
    driver.gets(pong())
    assert driver.after(14) == []
    assert driver.after(1) == [Open(2, "one=", renew=False)]


def test_a_frame_that_was_said_on_the_next_connection_is_not_lost_with_the_old_one() -> None:
    driver, _ = moving()
    assert driver.asks() == [Send(2, {"action": "publish", "data": 1, "id": 3})]
    assert driver.closes(socket=1) == []
    answer = {"type": "ack", "seq": 3, "version": 1, "replyTo": 3}
    assert driver.gets(answer, socket=2) == [Answered(3, answer)]


def test_a_frame_that_was_never_said_is_said_on_the_next_connection() -> None:
    driver = live()
    driver.client._timers["move", 0] = driver.clock()
    driver.client.tick(driver.clock())
    driver.asks()
    driver.open(2)
    driver.asks()
    assert driver.closes(socket=1) == [Answered(2, None), Send(2, {"action": "hello", "id": 4, "resume": {"seq": 0}})]
    assert Send(2, {"action": "publish", "data": 1, "id": 3}) in driver.gets(welcome(0, replyTo=4), socket=2)


def test_a_hand_over_that_fails_is_tried_again_while_the_old_connection_lives() -> None:
    driver = live()
    driver.client._timers["move", 0] = driver.clock()
    driver.client.tick(driver.clock())
    assert driver.refused(503, "unavailable", socket=2) == []
    assert driver.client.state is State.LIVE
    assert driver.after(0.5) == [Open(3, "one=", renew=False)]
    assert driver.refused(409, "duplicate", socket=3) == []
    assert driver.wait() == 30
    assert Open(4, "one=", renew=False) in driver.after(30)
    driver.closes(socket=4)
    assert driver.client.state is State.LIVE
