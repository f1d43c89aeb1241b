"""Everything outside of the gateways that the trace of a test shows."""

from __future__ import annotations

import logging

from pytest_sessionplugin.account.journal import Journal
from pytest_sessionplugin.lambdas.threads import Left


def test_notes_are_kept_with_their_time() -> None:
    journal = Journal()
    journal.observe(2.0, "lambda sweep has taken its event")
    assert [(line.at, line.text) for line in journal.lines] == [(2.0, "lambda sweep has taken its event")]


def test_a_left_thread_is_kept_and_noted() -> None:
    journal = Journal()
    left = Left("worker", ("sweep",), "runs")
    journal.leave(left)
    assert journal.left == [left]
    assert journal.lines[0].text.startswith("left   the thread 'worker' runs")


def test_the_apps_log_is_among_the_notes() -> None:
    journal = Journal()
    log = logging.Logger("app")
    log.addHandler(journal.log)
    log.error("room %s", "lobby")
    assert [line.text for line in journal.lines] == ["log    ERROR room lobby"]


def test_a_warning_is_in_the_trace_already() -> None:
    journal = Journal()
    journal.warn("an event is dropped.")
    assert journal.lines == ()
