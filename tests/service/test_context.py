"""The end of an event: one log line and one line of metrics; and the place where it ran."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import errors, metrics
from chalicelib.context import Failed, observed
from chalicelib.logs import Place, place

HERE = Place("local", None)


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def said(self) -> list[tuple[str, str, Any, Any]]:
        """Level, message, outcome and code of each line, without metrics."""
        return [
            (record.levelname, record.getMessage(), vars(record).get("outcome"), vars(record).get("code"))
            for record in self.records
            if record.name == "sessions"
        ]

    @property
    def measured(self) -> list[dict[str, Any]]:
        return [json.loads(record.getMessage()) for record in self.records if record.name == "sessions.metrics"]


@pytest.fixture
def kept() -> Iterator[Records]:
    logger, handler = logging.getLogger("sessions"), Records()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def test_what_went_well_is_one_line_of_each(kept: Records) -> None:
    with observed("create_session", HERE, request_id="r") as event:
        event.measure(metrics.SESSIONS_CREATED)
    assert kept.said == [("INFO", "create_session done", "done", None)]
    (measured,) = kept.measured
    assert (measured["SessionsCreated"], measured["Operation"], measured["Stage"]) == ([1.0], "create_session", "local")
    assert len(measured["RequestLatency"]) == 1
    assert {"Faults", "Unavailables"}.isdisjoint(measured)


def test_a_read_that_succeeds_is_logged_at_debug(kept: Records) -> None:
    with observed("find_session", HERE):
        pass
    assert kept.said == [("DEBUG", "find_session done", "done", None)]


@pytest.mark.parametrize(
    ("error", "said", "counted"),
    [
        (errors.NotOwner("s", "bob"), ("INFO", "end_session refused as not_owner", "refused", "not_owner"), set()),
        (
            errors.Unavailable("A table"),
            ("WARNING", "end_session refused as unavailable", "unavailable", "unavailable"),
            {"Unavailables"},
        ),
        (KeyError("x"), ("ERROR", "end_session failed", "failed", "internal_error"), {"Faults"}),
        (
            errors.IllegalTransition("ended", "active"),
            ("ERROR", "end_session failed", "failed", "internal_error"),
            {"Faults"},
        ),
    ],
    ids=["refusal", "unavailable", "bug", "bug of ours"],
)
def test_the_outcome_is_in_the_line_and_counted(
    kept: Records, error: Exception, said: tuple[str, str, str, str], counted: set[str]
) -> None:
    with observed("end_session", HERE) as event:
        event.ends_with(error)
    assert kept.said == [said]
    assert {"Faults", "Unavailables"} & set(kept.measured[0]) == counted


def test_an_exception_that_leaves_it_is_what_it_ended_with(kept: Records) -> None:
    with pytest.raises(ZeroDivisionError), observed("sweep", HERE):
        _ = 1 / 0
    assert kept.said == [("ERROR", "sweep failed", "failed", "internal_error")]
    assert "exception" in vars(kept.records[0])


def test_what_leaves_a_handler_of_lambda_says_nothing_since_lambda_logs_its_text(kept: Records) -> None:
    with pytest.raises(Failed) as left, observed("sweep", Place("prod", "sweep")):
        raise KeyError("what somebody sent")
    assert str(left.value) == "sweep ended as internal_error; the line before says why."
    assert left.value.__suppress_context__
    assert kept.said == [("ERROR", "sweep failed", "failed", "internal_error")]


def test_lambda_has_its_metrics_on_stdout_and_nobody_else(kept: Records, capsys: pytest.CaptureFixture[str]) -> None:
    with observed("ready", Place("prod", "api_handler")):
        pass
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["Stage"] == "prod"
    assert kept.measured == []
    logging.getLogger("sessions").setLevel("INFO")
    with observed("ready", HERE):
        pass
    assert (capsys.readouterr().out, kept.measured) == ("", [])


def test_a_place_is_read_from_the_environment() -> None:
    assert place({}) == place({"STAGE": " "}) == Place("local", None)
    assert place({"STAGE": "prod", "AWS_LAMBDA_FUNCTION_NAME": "f"}) == Place("prod", "f")
