"""Findings as text and JSON; a failed check stops a deploy."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from deployment import __main__, chalice
from deployment.doctor import report
from deployment.doctor.check import Check, Note, Result
from tests.deployment.doctored import Project

RESULTS = [
    Result(Check("e", "It holds", "https://e.example", lambda findings: ()), ("One is bad.", "Two is worse.")),
    Result(Check("a", "All is well", "https://a.example", lambda findings: ()), ()),
    Result(Check("bcd", "It is known", "https://b.example", lambda findings: ()), (Note("Mind the gap."),)),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_check_is_a_line_with_all_that_it_says_and_failures_come_last() -> None:
    assert list(report.lines("dev", RESULTS, coloured=False)) == [
        "ok      a    All is well.",
        "note    bcd  Mind the gap.",
        "FAILED  e    One is bad. Two is worse.",
        "dev: 3 checks: 1 ok, 1 note, 1 failed",
    ]


def test_only_the_outcome_is_coloured() -> None:
    assert (
        list(report.lines("dev", RESULTS, coloured=True))[2]
        == "\x1b[1;31mFAILED\x1b[0m  e    One is bad. Two is worse."
    )


@pytest.mark.parametrize(
    ("out", "environment", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals(out: io.StringIO, environment: dict[str, str], coloured: bool) -> None:
    assert report.is_coloured(out, environment) is coloured


def test_programs_get_ids_outcomes_sentences_and_sources() -> None:
    document = json.loads(report.document("dev", RESULTS))
    assert (document["stage"], document["failed"]) == ("dev", 1)
    assert document["checks"][0] == {
        "id": "e",
        "title": "It holds",
        "source": "https://e.example",
        "outcome": "failed",
        "sentences": ["One is bad.", "Two is worse."],
    }


@pytest.mark.parametrize("command", ["deploy", "package"])
def test_a_stage_that_failed_is_neither_deployed_nor_packaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with Project(tmp_path, monkeypatch).edited("config.json") as config:
        config["lambda_timeout"] = 60
    asked: list[object] = []
    monkeypatch.setattr(chalice, "session", lambda: asked.append("a session"))
    assert __main__.main(["--project", str(tmp_path), command, "--stage", "dev"]) == 1
    assert asked == []
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "The stage dev cannot be deployed until these failures are fixed (make doctor):\n  function-timeout: "
    )


def test_the_doctor_of_a_stage_that_failed_gives_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Project(tmp_path, monkeypatch).edited("config.json") as config:
        config["lambda_timeout"] = 60
    assert __main__.main(["--project", str(tmp_path), "doctor", "--stage", "dev"]) == 1
    assert capsys.readouterr().out.splitlines()[-2].startswith("FAILED  function-timeout")
