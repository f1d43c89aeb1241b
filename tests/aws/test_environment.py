"""Environment variables are applied, and restored to the last one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import SessionPluginError


def test_the_way_to_a_real_account_is_closed_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_MAX_ATTEMPTS", "AWS_ROLE_ARN", "AWS_DEFAULTS_MODE"):
        monkeypatch.setenv(name, "real")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    before = dict(os.environ)
    with environment.applied(environment.neutral("eu-west-1")):
        assert "real" not in os.environ.values()
        assert os.environ["AWS_REGION"] == os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
        assert os.environ["AWS_ACCOUNT_ID_ENDPOINT_MODE"] == "disabled"
    assert dict(os.environ) == before


def test_lambda_gives_a_function_its_name_and_place_and_leaves_the_machine_its_time_zone() -> None:
    of_lambda = environment.of_lambda(Path("/project"), "chat-dev-sweep", 512, "app.sweep")
    assert of_lambda["AWS_LAMBDA_FUNCTION_NAME"] == "chat-dev-sweep"
    assert of_lambda["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert (of_lambda["LAMBDA_TASK_ROOT"], of_lambda["_HANDLER"]) == (str(Path("/project")), "app.sweep")
    assert of_lambda["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", of_lambda["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert not of_lambda.keys() & {"TZ", "LANG", "PATH", "AWS_LAMBDA_RUNTIME_API"}


def test_what_was_changed_meanwhile_is_put_back_on_the_same_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    same = os.environ
    with environment.applied({"OURS": "1"}):
        os.environ["THEIRS"] = "2"
        del os.environ["KEPT"]
    assert os.environ is same
    assert "OURS" not in os.environ
    assert "THEIRS" not in os.environ
    assert os.environ["KEPT"] == "1"


def test_a_value_of_ours_that_came_back_later_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLD", "ours")
    monkeypatch.setenv("REPLACED", "ours")
    monkeypatch.setenv("CHANGED", "by somebody else")
    environment.take_back(
        {"TOLD": "ours", "REPLACED": "ours", "CHANGED": "ours"}, {"REPLACED": "theirs", "CHANGED": "theirs"}
    )
    assert "TOLD" not in os.environ
    assert os.environ["REPLACED"] == "theirs"
    assert os.environ["CHANGED"] == "by somebody else"


@pytest.mark.parametrize(
    ("named", "hosts"),
    [({}, "127.0.0.1"), ({"NO_PROXY": "intern"}, "intern,127.0.0.1"), ({"no_proxy": "*"}, "*")],
)
def test_no_proxy_is_asked_for_what_runs_on_this_machine(named: dict[str, str], hosts: str) -> None:
    assert environment.past_proxies("http://127.0.0.1:8000", named) == {"no_proxy": hosts, "NO_PROXY": hosts}


@pytest.mark.parametrize(
    ("layers", "region"),
    [
        ([{}, {}], "us-east-1"),
        ([{"AWS_DEFAULT_REGION": "eu-west-1"}, {}], "eu-west-1"),
        ([{"AWS_REGION": "eu-west-1"}, {"AWS_DEFAULT_REGION": "eu-west-3"}], "eu-west-3"),
    ],
)
def test_the_last_layer_that_names_a_region_decides(layers: list[dict[str, str]], region: str) -> None:
    assert environment.region_of(*layers) == region


def test_placeholders_are_replaced_and_other_braces_are_not() -> None:
    variables = {"TABLE": "{table:Rooms}", "URL": "a/{token:jwks_url}/b", "JSON": '{"a": {"b": 1}}'}
    expanded = environment.expand(variables, lambda kind, name: f"<{kind} {name}>")
    assert expanded == {"TABLE": "<table Rooms>", "URL": "a/<token jwks_url>/b", "JSON": '{"a": {"b": 1}}'}


def test_a_placeholder_for_nothing_says_in_which_variable() -> None:
    def lookup(kind: str, name: str) -> str:
        raise KeyError(f"there is no {kind} {name}")

    with pytest.raises(SessionPluginError, match=r"TABLE = '{table:Romos}': there is no table Romos"):
        environment.expand({"TABLE": "{table:Romos}"}, lookup)


def test_an_early_import_missed_what_the_machine_lacks_or_has_otherwise() -> None:
    variables = {"A": "1", "B": "2", **environment.neutral("eu-west-1")}
    assert environment.missed({"A": "1", "B": "2"}, variables) == ""
    assert environment.missed({"A": "1", "B": "2", "AWS_REGION": "eu-west-1"}, variables) == ""
    assert ": without the values of A, B. Clients" in environment.missed({"A": "3"}, variables)
    machine = {"A": "1", "B": "2", "AWS_DEFAULT_REGION": "us-east-1"}
    assert ": in us-east-1 in place of eu-west-1. Clients" in environment.missed(machine, variables)


def test_changes_are_told_but_for_those_that_lead_elsewhere() -> None:
    before = {"KEPT": "1", "CHANGED": "1", "GONE": "1"}
    after = {"KEPT": "1", "CHANGED": "2", "NEW": "", "AWS_PROFILE": "mine", "AWS_ENDPOINT_URL": "http://localhost:4566"}
    after |= {"AWS_ACCESS_KEY_ID": "a", "AWS_REGION": "eu-west-1"}
    assert environment.changes(before, after) == {"CHANGED": "2", "GONE": None, "NEW": ""}
