"""The command line asks before it changes anything, and its exit status tells a script what happened."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployment import __main__, commands, sockets
from deployment.__main__ import main, parser
from deployment.commands import Kept
from deployment.doctor import examination
from tests.deployment.accounts import ACCOUNT, REGION, emulated

pytestmark = pytest.mark.emulator

URLS = {"http": "https://rest.example/api", "websocket": "wss://sockets.example/api"}


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self) -> bool:
        return True


class Called:
    """Records what the command line asks of `commands`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.did: list[Any] = []
        monkeypatch.setattr(commands, "build_and_keep", lambda target: self._kept("built"))
        monkeypatch.setattr(commands, "find_kept", lambda target, version: self._kept(version))
        monkeypatch.setattr(commands, "deploy", self._deploy)
        monkeypatch.setattr(commands, "destroy", lambda target, *, with_data: self.did.append(with_data))
        monkeypatch.setattr(examination, "refuse_unsafe", lambda root, stage: "checked")

    def _kept(self, version: str) -> Kept:
        self.did.append(version)
        return Kept(version, "https://template.example")

    def _deploy(self, target: Any, kept: Kept, agreed: Callable[[], bool] | None, *, with_tables: bool) -> Any:
        yes = None if agreed is None else agreed()
        self.did.append((yes, with_tables))
        return URLS if yes else None


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Iterator[Called]:
    with emulated() as aws:
        monkeypatch.setattr(__main__, "Aws", lambda session: aws)
        yield Called(monkeypatch)


def answered(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{text}\n"))


@pytest.mark.parametrize("answer", ["y", "Yes"])
def test_a_yes_deploys(
    called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    answered(monkeypatch, answer)
    assert main(["deploy", "--stage", "dev"]) == 0
    assert called.did == ["built", (True, True)]
    said = capsys.readouterr().out
    assert f"sessions, stage dev, account {ACCOUNT}, {REGION}" in said
    assert all(url in said for url in URLS.values())


@pytest.mark.parametrize("answer", ["", "n", "yesterday"])
def test_any_other_answer_is_a_no_and_no_success(
    called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    answered(monkeypatch, answer)
    assert main(["deploy", "--stage", "dev"]) == 1
    assert called.did == ["built", (False, True)]
    assert "Nothing was changed." in capsys.readouterr().out


def test_an_input_that_ends_is_a_no(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    assert main(["deploy", "--stage", "dev"]) == 1
    assert called.did == ["built", (False, True)]


def test_sockets_are_closed_only_in_the_account_and_region_of_the_stage(
    called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sockets, "close_all", lambda aws, stage: called.did.append(stage.name))
    assert main(["disconnect", "--stage", "dev"]) == 1
    assert called.did == []
    assert "The stage dev does not say where it stands" in capsys.readouterr().err


def test_a_pipeline_says_yes_beforehand(called: Called) -> None:
    assert main(["deploy", "--stage", "dev", "--yes"]) == 0
    assert called.did == ["built", (True, True)]


def test_a_plan_ends_without_a_question_and_is_a_success(called: Called) -> None:
    assert main(["deploy", "--stage", "dev", "--plan"]) == 0
    assert called.did == ["built", (None, True)]


def test_a_kept_version_is_deployed_without_a_package_and_without_tables(called: Called) -> None:
    assert main(["deploy", "--stage", "dev", "--yes", "--version", "0123456789ab"]) == 0
    assert called.did == ["0123456789ab", (True, False)]


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_without_a_terminal_and_without_yes_nothing_is_begun(
    called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main([command, "--stage", "dev"]) == 1
    assert called.did == []
    assert "--yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "did"),
    [
        (["--yes"], 0, [False]),
        (["--confirm", "dev"], 0, [True]),
        (["--confirm", "prod"], 1, []),
        (["--yes", "--confirm", "prod"], 1, []),
    ],
    ids=str,
)
def test_only_the_name_of_the_stage_itself_deletes_its_data(
    called: Called, options: list[str], status: int, did: list[bool]
) -> None:
    assert main(["destroy", "--stage", "dev", *options]) == status
    assert called.did == did


def test_whoever_keeps_the_data_is_told_how_to_delete_it(called: Called, capsys: pytest.CaptureFixture[str]) -> None:
    main(["destroy", "--stage", "dev", "--yes"])
    assert "make destroy STAGE=dev CONFIRM=dev" in capsys.readouterr().out


def test_an_interruption_says_what_goes_on(
    called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(target: Any) -> Kept:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "build_and_keep", interrupted)
    assert main(["deploy", "--stage", "dev", "--yes"]) == 1
    assert "CloudFormation finishes what it has begun" in capsys.readouterr().err


def test_each_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name, does in __main__.COMMANDS.items():
        with pytest.raises(SystemExit, match="0"):
            parser().parse_args([name, "--help"])
        assert does.split(";")[0].split()[0] in capsys.readouterr().out
