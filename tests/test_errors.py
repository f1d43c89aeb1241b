"""An error's message is a whole sentence, and its attributes carry the evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sessionplugin import errors
from pytest_sessionplugin.errors import (
    AuthorizerNotRun,
    BlockedCall,
    ContractError,
    EndpointError,
    NotOnThisTarget,
    OptionError,
    PolicyError,
    ProjectError,
    RaceNotRun,
    SessionPluginError,
    UnknownFault,
    UnknownName,
)


def test_a_name_that_is_close_to_others_is_answered_with_the_nearest_and_all() -> None:
    error = UnknownName("function", "swep", ["sweep", "mail"])
    assert str(error) == "there is no function swep; did you mean sweep? There are: sweep, mail."
    assert (error.wrong, error.known) == ("swep", ("sweep", "mail"))


def test_only_the_nearest_name_is_guessed_whatever_its_case() -> None:
    assert str(UnknownName("table", "rooms", ["Roofs", "Rooms"])).startswith(
        "there is no table rooms; did you mean Rooms?"
    )
    assert str(UnknownName("table", "ROOM", ["Rooms", "Broom"])).startswith(
        "there is no table ROOM; did you mean Rooms?"
    )


def test_a_name_that_is_close_to_none_is_answered_with_all_if_they_are_few() -> None:
    assert str(UnknownName("table", "x", [])) == "there is no table x; there are: none."
    many = [f"operation-{number}" for number in range(21)]
    assert str(UnknownName("operation", "x", many)) == "there is no operation x."


@pytest.mark.parametrize(
    ("error", "message", "evidence"),
    [
        (
            OptionError("stage", "nope", "--stage", "there is no such stage."),
            "stage = 'nope' (--stage): there is no such stage.",
            {"name": "stage", "value": "nope", "source": "--stage"},
        ),
        (ProjectError(Path("/srv"), "it has no app.py."), "it has no app.py.", {"root": Path("/srv")}),
        (
            EndpointError("http://localhost", "answers nonsense."),
            "http://localhost answers nonsense.",
            {"endpoint": "http://localhost"},
        ),
        (
            NotOnThisTarget("https://a", "clock"),
            "the deployed stage https://a has no clock; run this test with --sessionplugin-target=inprocess",
            {"target": "https://a", "what": "clock"},
        ),
        (
            NotOnThisTarget("http://127.0.0.1", "clock", "served app"),
            "the served app http://127.0.0.1 has no clock; run this test with --sessionplugin-target=inprocess",
            {"target": "http://127.0.0.1"},
        ),
        (PolicyError(Path("p.json"), "it is not JSON."), "p.json: it is not JSON.", {"path": Path("p.json")}),
        (
            ContractError("api.yaml#/paths", "nothing is there."),
            "api.yaml#/paths: nothing is there.",
            {"place": "api.yaml#/paths"},
        ),
        (
            BlockedCall("s3", "GetObject", "nothing emulates it"),
            "s3:GetObject was blocked: nothing emulates it",
            {"service": "s3", "operation": "GetObject"},
        ),
    ],
)
def test_each_says_what_is_wrong_and_carries_the_evidence(
    error: SessionPluginError, message: str, evidence: dict[str, object]
) -> None:
    assert str(error) == message
    assert {name: getattr(error, name) for name in evidence} == evidence


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (BlockedCall, RuntimeError),
        (UnknownName, ValueError),
        (UnknownFault, AttributeError),
        (RaceNotRun, AssertionError),
    ],
)
def test_each_is_also_what_python_would_raise_there(kind: type[Exception], base: type[Exception]) -> None:
    assert issubclass(kind, SessionPluginError)
    assert issubclass(kind, base)


def test_every_error_is_in_one_tree() -> None:
    found = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)}
    assert {one for one in found if not issubclass(one, (SessionPluginError, UserWarning))} == set()


def test_a_warning_has_its_fact_without_the_advice_for_a_test() -> None:
    warning = AuthorizerNotRun("custom (GET /a), which lets pass any credential")
    assert warning.fact == "authorizers that cannot be run here: custom (GET /a), which lets pass any credential"
    assert str(warning).startswith(f"{warning.fact}; chalice_gateway.http(claims=")


def test_a_blocked_connection_names_its_host_and_is_a_blocked_call() -> None:
    error = errors.BlockedConnection("example.com", "it would leave.")
    assert str(error) == "no connection to example.com: it would leave."
    assert isinstance(error, errors.BlockedCall)
    assert (error.host, error.service, error.operation, error.reason) == (
        *("example.com", "example.com", "connect"),
        "it would leave.",
    )
