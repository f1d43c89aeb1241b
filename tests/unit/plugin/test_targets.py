"""What may be written as a target, and which of the marked ones a run has."""

from __future__ import annotations

import pytest

from pytest_sessionplugin import targets
from pytest_sessionplugin.gateway.transport import Urls

STAGE = "https://a1b2.execute-api.eu-west-1.amazonaws.com/api"


@pytest.mark.parametrize(
    ("target", "urls"),
    [
        (f"{STAGE},wss://c3d4.example/api", Urls(STAGE, "wss://c3d4.example/api")),
        (f"{STAGE}/", Urls(STAGE, "")),
        ("wss://c3d4.example", Urls("", "wss://c3d4.example")),
        ("HTTP://localhost:8000, ws://127.0.0.1:8001", Urls("http://localhost:8000", "ws://127.0.0.1:8001")),
        ("http://[::1]:8000", Urls("http://[::1]:8000", "")),
    ],
)
def test_urls_are_http_first_and_one_will_do(target: str, urls: Urls) -> None:
    assert targets.urls_of(target) == urls


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("wss://a.example,https://b.example", "one HTTP URL, then one WebSocket URL"),
        ("https://a.example,https://b.example", "one HTTP URL, then one WebSocket URL"),
        ("https://a.example,wss://b.example,wss://c.example", "one HTTP URL, then one WebSocket URL"),
        ("http://a.example", "a.example is not on this machine, so http must be https"),
        ("https://a.example,ws://b.example", "b.example is not on this machine, so ws must be wss"),
        ("http://127.0.0.1.example", "must be https"),
        ("https://a.example?key=1", "a user, a query or a fragment does not belong into it"),
        ("https://a.example?", "a user, a query or a fragment does not belong into it"),
        ("https://me:pw@a.example", "a user, a query or a fragment does not belong into it"),
        ("https://a.example#top", "a user, a query or a fragment does not belong into it"),
        ("ftp://a.example", "it must be https://…,wss://…"),
        ("https://", "it must be https://…,wss://…"),
        ("https://a.example,", "it must be https://…,wss://…"),
        ("https://a.example:99999", "it must be https://…,wss://…"),
        ("https://[a.example", "it must be https://…,wss://…"),
        ("https://a.example/ä", "a URL is ASCII without spaces"),
        ("https://a.exa\nmple", "a URL is ASCII without spaces"),
    ],
)
def test_other_forms_are_a_sentence(target: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        targets.urls_of(target)


def test_a_target_is_shown_without_its_credentials() -> None:
    target = "https://me:p@ss@a.example/x?key=1,wss://you@b.example?key=2#3"
    assert targets.without_credentials(target) == "https://…@a.example/x?…,wss://…@b.example?…"


@pytest.mark.parametrize(
    ("marked", "local", "deployed"),
    [
        (("inprocess", "sockets"), ("inprocess", "sockets"), ("inprocess", "sockets")),
        (("inprocess", "deployed"), ("inprocess",), ("deployed",)),
        (("deployed",), ("deployed",), ("deployed",)),
    ],
)
def test_a_run_takes_what_it_has_of_a_mark_and_else_all_to_be_skipped(
    marked: tuple[str, ...], local: tuple[str, ...], deployed: tuple[str, ...]
) -> None:
    assert targets.runnable(marked, deployed=False) == local
    assert targets.runnable(marked, deployed=True) == deployed


def test_a_marked_target_that_the_run_has_not_is_a_reason() -> None:
    assert targets.why_not_marked("sockets", "inprocess") is None
    assert targets.why_not_marked("deployed", STAGE) is None
    assert "name one with --sessionplugin-target=https://…" in (targets.why_not_marked("deployed", "sockets") or "")
    assert f"not for the deployed stage {STAGE}" in (targets.why_not_marked("sockets", STAGE) or "")
