"""Lambda proxy integration: results, header values, and the time-out of pending invocations."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.gateway.core.integration import (
    INTEGRATION_TIMEOUT,
    IntegrationFault,
    IntegrationResult,
    Invocations,
    ProxyResult,
    as_text,
    is_sendable,
    read_answer,
    read_result,
)
from pytest_sessionplugin.gateway.core.notes import Malformed
from pytest_sessionplugin.gateway.values import Effect, Invoke, Note, Raised, Returned, TimedOut

NOON = 1_742_085_982.306


def test_both_header_maps_are_merged_and_values_become_text() -> None:
    result = read_result(
        {
            "statusCode": "201",
            "headers": {"X-A": 1, "X-B": True},
            "multiValueHeaders": {"X-A": [1, 2.5]},
            "body": None,
            "isBase64Encoded": None,
        }
    )
    assert result == ProxyResult(201, (("X-A", "1"), ("X-A", "2.5"), ("X-B", "true")), "", is_base64=False)
    assert (result.header("x-a"), result.header("x-c")) == ("2.5", None)


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        {},
        {"statusCode": 199},
        {"statusCode": 600},
        {"statusCode": "20"},
        {"statusCode": 200, "more": 1},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "isBase64Encoded": "yes"},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"X-A": None}},
        {"statusCode": 200, "headers": {"X A": "1"}},
        {"statusCode": 200, "headers": {"X-A": "1\n2"}},
        {"statusCode": 200, "multiValueHeaders": {"X-A": "1"}},
    ],
)
def test_a_malformed_result_is_broken(result: Any) -> None:
    assert read_result(result) is IntegrationFault.BROKEN


@pytest.mark.parametrize(
    ("returned", "fault"),
    [
        (None, IntegrationFault.LATE),
        (Returned("i", error=TimedOut()), IntegrationFault.BROKEN),
        (Returned("i", {"statusCode": 200}, Raised("ValueError", "no")), IntegrationFault.BROKEN),
    ],
)
def test_a_failed_invocation_is_broken_and_a_missing_one_late(returned: Returned | None, fault: object) -> None:
    assert read_answer(returned) is fault


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (1, "1"), (1.5, "1.5"), (False, "false"), (None, None), ([1], None)],
)
def test_texts_numbers_and_booleans_have_a_text(value: Any, text: str | None) -> None:
    assert as_text(value) == text


def test_a_number_of_thousands_of_digits_has_none() -> None:
    assert as_text(10**5000) is None


def test_a_header_with_a_control_character_or_a_bad_name_cannot_be_sent() -> None:
    assert is_sendable("X-A", "a\tb")
    assert not is_sendable("X-A", "a\x00b")
    assert not is_sendable("", "a")


class TestInvocations:
    def test_an_answer_reaches_its_caller_once(self) -> None:
        effects, answers = list[Effect](), list[IntegrationResult]()
        invocations = Invocations(lambda: "i1", effects.append, lambda note: None)
        invocations.ask("r1", "job", {"a": 1}, NOON, lambda answer, now: answers.append(answer))
        assert effects == [Invoke("i1", "job", {"a": 1})]
        invocations.returned(Returned("i1", {"statusCode": 204}), NOON + 1)
        assert answers == [ProxyResult(204)]
        with pytest.raises(LookupError, match="invocation i1 is not running"):
            invocations.returned(Returned("i1"), NOON + 2)

    def test_a_caller_waits_29_seconds_and_a_late_return_changes_nothing(self) -> None:
        answers: list[tuple[IntegrationResult, float]] = []
        invocations = Invocations(lambda: "i1", lambda effect: None, lambda note: None)
        invocations.ask("r1", "job", {}, NOON, lambda answer, now: answers.append((answer, now)))
        late = NOON + INTEGRATION_TIMEOUT
        assert invocations.due() == late
        invocations.tick(late - 0.1)
        assert answers == []
        invocations.tick(late)
        invocations.returned(Returned("i1", {"statusCode": 200}), late + 1)
        assert answers == [(IntegrationFault.LATE, late)]
        assert invocations.due() is None

    @pytest.mark.parametrize(
        ("returned", "notes"),
        [
            (Returned("i1", {"statusCode": 200}), []),
            (Returned("i1", {"ok": 1}), [Malformed("r1", "job", {"ok": 1})]),
            (Returned("i1", error=TimedOut()), []),
        ],
    )
    def test_a_malformed_result_is_noted(self, returned: Returned, notes: list[Note]) -> None:
        noted: list[Note] = []
        invocations = Invocations(lambda: "i1", lambda effect: None, noted.append)
        invocations.ask("r1", "job", {}, NOON, lambda answer, now: None)
        invocations.returned(returned, NOON)
        assert noted == notes

    def test_an_invocation_without_a_caller_falls_never_due(self) -> None:
        invocations = Invocations(lambda: "i1", lambda effect: None, lambda note: None)
        invocations.start("job", {}, NOON, None)
        assert invocations.due() is None
        invocations.returned(Returned("i1"), NOON)
