"""What the terminal is told of what functions raise."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin import shown
from pytest_sessionplugin.gateway.values import Invoke


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def raising(error: BaseException) -> Any:
    def functions(invoke: Invoke) -> None:
        raise error

    return shown.shown(functions, Path(__file__).parent, {"guard"})


def test_colours_are_for_a_terminal_whose_owner_likes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert shown.coloured("a", shown.RED) == "a"
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert shown.coloured("a", shown.RED) == "\033[31ma\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown.coloured("a", shown.RED) == "a"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no")])
def test_what_a_function_raises_is_shown_and_goes_on(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(error)):
        raising(error)(Invoke("i", "sweep", {}))
    said = capsys.readouterr().err
    assert said.startswith("\nsweep failed:\nTraceback (most recent call last):\n")
    assert said.endswith(f"{type(error).__name__}: no\n\n")


@pytest.mark.parametrize(
    ("function", "text", "answers"),
    [("guard", "Unauthorized", True), ("guard", "unauthorized", False), ("sweep", "Unauthorized", False)],
)
def test_only_an_authorizers_own_word_is_no_failure(
    function: str, text: str, answers: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=text):
        raising(ValueError(text))(Invoke("i", function, {}))
    said = capsys.readouterr().err
    assert ("Traceback" in said) is not answers
    assert ("answers Unauthorized: 401." in said) is answers
