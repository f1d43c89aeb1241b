"""The reference client, rule by rule: states, order, gaps, resumes, the end, presence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.service.client import ANSWER
from tests.service.client_values import (
    Answered,
    Close,
    Frame,
    Heard,
    Open,
    Over,
    Send,
    State,
)
from tests.service.scripted import (
    Driver,
    actions,
    dropped,
    ended,
    live,
    message,
    numbers,
    pong,
    welcome,
)

# --- states


def test_a_client_is_live_when_it_is_welcomed_and_speaks_from_then_on() -> None:
    driver = Driver()
    assert driver.start() == [Open(1, None, renew=False)]
    with pytest.raises(RuntimeError, match="greeting"):
        driver.asks()
    greeting = driver.open()
    assert greeting == [Send(1, {"action": "hello", "id": 1})]
    with pytest.raises(RuntimeError, match="greeting"):
        driver.asks()
    driver.welcome(greeting)
    assert driver.asks() == [Send(1, {"action": "publish", "data": 1, "id": 2})]


def test_a_transition_that_does_not_exist_names_both_states() -> None:
    driver = live()
    with pytest.raises(RuntimeError, match="from live to greeting"):
        driver.client._go(State.GREETING)


def test_close_is_final() -> None:
    driver = live()
    driver.asks()
    assert driver.client.close(driver.clock()) == [Close(1), Answered(2, None), Over("closed")]
    assert driver.closes() == driver.after(86_400) == driver.client.close(driver.clock()) == []


def test_a_welcome_that_answers_no_hello_of_this_socket_changes_nothing() -> None:
    driver = live(3)
    assert driver.gets(welcome(9, replyTo=77)) == []
    assert driver.client.seq == 3


# --- order


def test_frames_before_welcome_wait_for_it_and_those_that_it_covers_are_dropped() -> None:
    driver = Driver()
    driver.start()
    assert driver.gets(message(3)) == driver.gets(message(2)) == []
    heard = driver.welcome(driver.open(), 2)
    assert [type(one) for one in heard] == [Heard, Heard]
    assert numbers(heard) == [3]


def test_events_are_heard_in_order_once() -> None:
    driver = live()
    assert [numbers(driver.gets(message(seq))) for seq in (2, 3, 1, 2, 1, 4)] == [[], [], [1, 2, 3], [], [], [4]]


def test_the_number_of_an_own_ack_counts_and_is_not_heard() -> None:
    driver = live()
    asked = driver.asks()
    assert numbers(driver.gets(message(2))) == []
    answer = {"type": "ack", "seq": 1, "version": 1, "replyTo": asked[0].frame["id"]}  # type: ignore[union-attr]
    heard = driver.gets(answer)
    assert heard[0] == Heard(message(2))
    assert Answered(answer["replyTo"], answer) in heard


def test_an_own_event_that_another_connection_of_the_client_heard_is_not_heard() -> None:
    driver = live()
    driver.asks()
    driver.gets({"type": "ack", "seq": 2, "version": 1, "replyTo": 2})
    assert numbers(driver.gets(message(2))) == []
    assert numbers(driver.gets(message(1))) == [1]


def test_an_own_event_is_heard_if_its_ack_came_when_it_was_given_up() -> None:
    driver = live()
    given_up = [one for one in [*driver.asks(), *driver.after(30)] if isinstance(one, Answered)]
    assert driver.gets({"type": "ack", "seq": 1, "version": 1, "replyTo": given_up[0].id}) == []
    asked = driver.after(5)
    assert numbers(driver.welcome(asked, 1, events=[message(1)])) == [1]


def test_a_session_takes_the_place_of_an_older_version_only() -> None:
    driver = live(5, version=4)
    driver.gets({"type": "session.updated", "seq": 6, "session": {"version": 3}})
    assert driver.client.session["version"] == 4
    driver.gets({"type": "session.updated", "seq": 7, "session": {"version": 5}})
    assert driver.client.session["version"] == 5


def test_an_id_of_a_direct_message_is_heard_once_a_minute_and_at_once() -> None:
    driver = live()
    direct = {"type": "direct", "id": "d"}
    assert driver.gets(direct) == [Heard(direct)]
    driver.after(59)
    assert driver.gets(direct) == []
    driver.after(60)
    assert driver.gets(direct) == [Heard(direct)]


def test_unknown_frames_and_those_of_the_gateway_are_ignored() -> None:
    driver = live()
    assert driver.gets({"type": "weather"}) == driver.gets({"message": "Internal server error"}) == []


# --- gaps


@pytest.mark.parametrize(
    "sign", [message(3), pong(2), {"type": "ack", "seq": 3, "version": 1}], ids=["frame", "pong", "ack"]
)
def test_a_missing_number_is_waited_for_and_then_asked_for_once(sign: Frame) -> None:
    driver = live(1)
    driver.gets(sign)
    assert actions(driver.after(4.9)) == []
    asked = driver.after(0.1)
    assert [one.frame for one in asked if isinstance(one, Send)] == [{"action": "hello", "id": 2, "resume": {"seq": 1}}]
    assert actions(driver.after(20)) == []
    driver.welcome(asked, 3, events=[message(2), message(3)])
    assert driver.client.seq == 3


def test_a_number_that_comes_in_time_is_no_gap() -> None:
    driver = live()
    driver.gets(message(2))
    driver.after(4.9)
    assert numbers(driver.gets(message(1))) == [1, 2]
    assert actions(driver.after(20)) == []


def test_each_missing_number_has_its_own_wait() -> None:
    driver = live(durable=False)
    driver.gets(message(2))
    driver.after(3)
    driver.gets(message(4))
    assert numbers(driver.after(2)) == [(1, 1), 2]
    assert numbers(driver.after(2.9)) == []
    assert numbers(driver.after(0.1)) == [(3, 3), 4]


def test_there_is_no_gap_while_a_publish_of_ones_own_is_unanswered() -> None:
    driver = live()
    driver.asks()
    driver.gets(message(2))
    assert actions(driver.after(20)) == []
    assert actions(driver.gets({"type": "error", "code": "session_paused", "replyTo": 2})) == ["hello"]


def test_other_frames_of_ones_own_hide_no_gap() -> None:
    driver = live()
    driver.asks(action="send", to="bob")
    driver.gets(message(2))
    assert actions(driver.after(5)) == ["hello"]


def test_what_no_session_keeps_is_told_and_hello_follows_only_if_the_version_is_ahead() -> None:
    driver = live(durable=False)
    driver.gets(message(3))
    told = driver.after(5)
    assert numbers(told) == [(1, 2), 3]
    assert actions(told) == []
    driver.gets(pong(4, version=2))
    told = driver.after(5)
    assert numbers(told) == [(4, 4)]
    assert actions(told) == ["hello"]


@pytest.mark.parametrize("sign", [message(3), pong(3)], ids=["frame", "pong"])
def test_after_a_resume_that_ends_before_a_young_hole_the_client_waits_again(sign: Frame) -> None:
    driver = live()
    driver.gets(sign)
    driver.welcome(driver.after(5), 1, events=[message(1)])
    assert actions(driver.after(4.9)) == []
    assert actions(driver.after(0.1)) == ["hello"]


def test_a_hello_that_is_refused_is_said_again_when_the_service_says() -> None:
    driver = live()
    driver.gets(message(2))
    driver.after(5)
    assert actions(driver.gets({"type": "error", "code": "unavailable", "retryAfter": 3, "replyTo": 2})) == []
    assert actions(driver.after(2.9)) == []
    assert actions(driver.after(0.1)) == ["hello"]


def test_a_hello_whose_answer_is_lost_is_said_again_after_thirty_seconds() -> None:
    driver = live()
    driver.gets(message(2))
    driver.after(5)
    driver.gets(message(3))  # the line is well
    assert actions(driver.after(29.9)) == []
    assert actions(driver.after(0.1)) == ["hello"]


def test_a_hello_in_a_session_that_is_gone_ends() -> None:
    driver = live()
    driver.gets(message(2))
    driver.after(5)
    assert ended(driver.gets({"type": "error", "code": "session_not_found", "replyTo": 2})) == "session_not_found"


# --- resume


def test_a_client_that_comes_back_resumes_after_the_last_number_that_it_settled() -> None:
    driver, greeting = dropped(2)
    assert greeting == [Send(2, {"action": "hello", "id": 2, "resume": {"seq": 2}})]
    driver.gets(message(6), socket=2)
    heard = driver.welcome(greeting, 5, socket=2, events=[message(3), message(5)])
    assert numbers(heard) == [3, 5, 6]
    assert isinstance(heard[2], Heard)
    assert heard[2].frame["type"] == "welcome"  # its snapshot is that of 5: 4 is void


def test_what_was_not_recovered_is_told_as_ranges_around_what_was_heard() -> None:
    driver, greeting = dropped(2)
    driver.gets(message(5), socket=2)
    assert numbers(driver.welcome(greeting, 7, socket=2, recovered=False)) == [(3, 4), 5, (6, 7)]
    assert numbers(driver.gets(message(8), socket=2)) == [8]


def test_frames_that_overtake_a_welcome_are_not_taken_back() -> None:
    driver, greeting = dropped(2)
    assert numbers(driver.gets(message(3), socket=2)) == [3]
    assert numbers(driver.welcome(greeting, 2, socket=2)) == []
    assert driver.client.seq == 3


def test_numbers_of_a_table_that_was_restored_start_again() -> None:
    driver, greeting = dropped(9, version=7)
    driver.welcome(greeting, 4, socket=2, recovered=False, version=2)
    assert (driver.client.seq, driver.client.session["version"]) == (4, 2)
    assert numbers(driver.gets(message(5), socket=2)) == [5]


def test_a_publish_with_a_key_is_said_again_and_another_is_not() -> None:
    driver = live()
    driver.asks()
    driver.asks(key="k")
    assert Answered(2, None) in driver.closes()
    driver.after(1)
    again = driver.welcome(driver.open(2), socket=2)
    assert [one for one in again if isinstance(one, Send)] == [
        Send(2, {"action": "publish", "data": 1, "key": "k", "id": 3})
    ]
    assert Answered(3, None) not in again


def test_a_key_is_not_said_again_when_the_service_may_have_forgotten_it() -> None:
    driver = live()
    driver.asks(key="k")
    driver.after(25)
    driver.closes()
    driver.clock.advance(minutes=5)
    assert driver.after(0) == [Open(2, "one=", renew=False)]
    again = driver.welcome(driver.open(2), socket=2)
    assert actions(again) == []
    assert Answered(2, None) in again


def test_an_own_event_that_a_resume_brings_is_heard_once() -> None:
    driver = live()
    driver.asks()
    driver.closes()
    driver.after(1)
    driver.gets({"type": "ack", "seq": 1, "version": 1}, socket=1)  # that socket has closed
    heard = driver.welcome(driver.open(2), 1, socket=2, events=[message(1)])
    assert numbers(heard) == [1]


# --- the end


def test_the_end_is_heard_in_its_order_and_the_client_is_over() -> None:
    driver = live()
    end = {"type": "session.ended", "seq": 2, "reason": "ended"}
    assert driver.gets(end) == []
    done = driver.gets(message(1))
    assert numbers(done) == [1, 2]
    assert done[-2:] == [Close(1), Over("session_ended")]
    assert driver.after(86_400) == []


def test_an_end_that_a_resume_brings_ends() -> None:
    driver, greeting = dropped(2)
    end = {"type": "session.ended", "seq": 3, "reason": "ended"}
    assert driver.welcome(greeting, 3, socket=2, events=[end]) == [Heard(end), Close(2), Over("session_ended")]


def test_what_the_end_left_out_is_told_when_the_socket_closes() -> None:
    driver = live()
    driver.gets({"type": "session.ended", "seq": 3, "reason": "ended"})
    done = driver.closes(1000)
    assert numbers(done) == [(1, 2), 3]
    assert ended(done) == "session_ended"


@pytest.mark.parametrize("code", ["kicked", "replaced", "some_later_code"])
def test_never_is_never(code: str) -> None:
    driver = live()
    driver.gets({"type": "closing", "code": code, "reconnect": "never"})
    assert ended(driver.closes(1000)) == code
    assert driver.after(86_400) == []


def test_a_binary_frame_is_a_bug_of_the_client() -> None:
    assert ended(live().closes(1003)) == "binary_frame"


@pytest.mark.parametrize(
    ("closing", "code", "wait", "renew"),
    [
        ({"code": "rate_limited", "reconnect": "after", "afterMs": 7000}, 1000, 7, False),
        ({"code": "token_expired", "reconnect": "now"}, 1000, 0.5, True),
        ({"code": "connection_not_found", "reconnect": "now"}, 1000, 0.5, False),
        (None, 1000, 0.5, False),
        (None, 1001, 0.5, False),
        (None, 1006, 0.5, False),
        (None, 1009, 0.5, False),
    ],
)
def test_a_client_comes_back_when_the_last_frame_says(
    closing: Frame | None, code: int, wait: float, renew: bool
) -> None:
    driver = live()
    if closing:
        driver.gets({"type": "closing", **closing})
    assert driver.closes(code) == []
    assert driver.wait() == wait
    assert driver.after(wait) == [Open(2, "one=", renew=renew)]


# --- presence


def person(subject: str, **fields: Any) -> Frame:
    return {"subject": subject, "role": "participant", **fields}


def presence(n: int, join: tuple[str, ...] = (), leave: tuple[str, ...] = (), **fields: Any) -> Frame:
    return {"type": "presence", "n": n, "join": [person(one, **fields) for one in join], "leave": list(leave)}


def test_the_highest_number_of_a_subject_decides() -> None:
    driver = live(presenceSeq=4, participants=[person("bob")])
    assert driver.gets(presence(7, leave=("bob",))) != []
    assert driver.gets(presence(6, join=("bob",))) == []
    assert driver.gets(presence(4, join=("eve",))) == []  # the picture of welcome is later
    assert driver.gets(presence(5, join=("dan",))) != []
    assert set(driver.client.people.there) == {"dan"}


def test_a_frame_may_be_new_for_one_subject_and_old_for_another() -> None:
    driver = live(presenceSeq=4, participants=[person("bob"), person("dan")])
    driver.gets(presence(6, leave=("bob",)))
    told = driver.gets(presence(5, leave=("bob", "dan")))
    assert told == [Heard({"type": "presence", "n": 5, "join": [], "leave": ["dan"]})]


def test_a_join_of_somebody_who_is_in_is_an_update() -> None:
    driver = live(presenceSeq=4, participants=[person("bob")])
    driver.gets(presence(5, join=("bob",), state={"hand": True}))
    assert driver.client.people.there["bob"]["state"] == {"hand": True}


def test_presence_before_welcome_counts_if_it_is_later() -> None:
    driver = Driver()
    driver.start()
    assert driver.gets(presence(3, join=("old",))) == driver.gets(presence(6, leave=("bob",), join=("eve",))) == []
    driver.welcome(driver.open(), presenceSeq=5, participants=[person("bob"), person("dan")])
    assert set(driver.client.people.there) == {"dan", "eve"}


def test_a_later_welcome_is_the_whole_picture_and_an_older_one_is_none() -> None:
    driver, greeting = dropped(presenceSeq=4, participants=[person("bob")])
    driver.welcome(greeting, 2, socket=2, presenceSeq=9, participants=[person("dan")])
    assert set(driver.client.people.there) == {"dan"}
    driver.client.people.welcome(welcome(2, presenceSeq=8, participants=[person("bob")]))
    assert set(driver.client.people.there) == {"dan"}


def test_when_presence_is_on_again_the_client_says_hello() -> None:
    driver = live(presence="off", presenceSeq=150)
    assert driver.gets(pong(presence="off")) == []
    asked = driver.gets(pong(presence="on", presenceSince=100))
    assert actions(asked) == ["hello"]
    assert actions(driver.gets(pong(presence="on", presenceSince=100))) == []
    driver.welcome(asked, presence="on", presenceSeq=300, participants=[person("bob")])
    assert driver.gets(pong(presence="on", presenceSince=300)) == []
    driver.gets(pong(presence="off"))
    assert not driver.client.people.told


def test_a_picture_from_before_a_time_in_which_nothing_was_told_is_asked_for_again() -> None:
    driver = live(presence="on", presenceSeq=300, participants=[person("bob")])
    assert actions(driver.gets(pong(presence="on", presenceSince=301))) == ["hello"]


def test_a_picture_that_was_cut_is_known_as_one() -> None:
    driver = live(presenceSeq=1, participants=[person("bob")], more=True)
    assert driver.client.people.cut
    driver.client.people.welcome(welcome(2, presenceSeq=2, participants=[person("bob")]))
    assert not driver.client.people.cut


def test_a_state_is_said_again_on_each_later_connection() -> None:
    driver = live(presence="on", presenceSeq=1, participants=[])
    state = {"action": "state", "data": {"hand": True}}
    driver.asks(**state)
    driver.gets({"type": "ack", "replyTo": 2})
    driver.closes()
    driver.after(1)
    assert Send(2, state) in driver.welcome(driver.open(2), socket=2)


def test_a_wait_is_longer_than_a_function_of_the_gateway() -> None:
    assert timedelta(seconds=29) < ANSWER
