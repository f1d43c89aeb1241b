"""A test opens only what it asks for, and all of it is closed in order, however its fixtures come about."""

from __future__ import annotations

import pytest

from tests.strangers import Stranger

HARD = '''
import os
import sys
import unittest

import pytest


def test_tokens_alone_open_nothing(jwt_tokens):
    assert jwt_tokens("alice")
    assert "AWS_ACCESS_KEY_ID" not in os.environ
    assert "app" not in sys.modules


def test_tables_alone_import_no_app(dynamodb_tables):
    assert list(dynamodb_tables) == ["Rooms"]
    assert os.environ["AWS_ACCESS_KEY_ID"] == "testing"
    assert "app" not in sys.modules


def test_a_fault_is_given_a_name_before_any_gateway(aws_faults, request):
    with aws_faults.timed_out("sweep") as fault:
        gateway = request.getfixturevalue("chalice_gateway")
        with pytest.raises(Exception, match="by a fault"):
            gateway.invoke("sweep")
        assert fault.fired == 1


def test_a_late_fixture(request, dynamodb_tables):
    with request.getfixturevalue("chalice_gateway").websocket() as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "echo hello"


@pytest.fixture
def players(jwt_tokens):
    """Set up before any gateway, and gone after it."""
    opened = []
    yield opened
    for ws in opened:
        ws.close()


@pytest.fixture
def crew(aws_faults):
    """Set up between AWS and the gateway."""
    opened = []
    yield opened
    for ws in opened:
        ws.close()


def test_sockets_are_closed_in_a_teardown_that_began_before(players, chalice_gateway):
    players.append(chalice_gateway.websocket())


def test_sockets_are_closed_in_a_teardown_that_began_between(crew, chalice_gateway):
    crew.append(chalice_gateway.websocket())


@pytest.mark.usefixtures("dynamodb_tables")
class TestUnittest(unittest.TestCase):
    def test_environment(self):
        self.assertEqual(os.environ["AWS_ACCESS_KEY_ID"], "testing")


class TestUnittestWithAGateway(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _open(self, chalice_gateway):
        self.gateway = chalice_gateway

    def tearDown(self):
        self.ws.close()

    def test_echo(self):
        self.ws = self.gateway.websocket()
        self.ws.send_text("hello")
        assert self.ws.receive_text() == "echo hello"


class TestTeamsOwnNames:
    @pytest.fixture
    def _account(self):
        return {"iban": "DE00"}

    @pytest.fixture
    def _deployed(self):
        return "yesterday"

    def test_mean_nothing_to_the_plugin(self, _account, _deployed, chalice_gateway):
        chalice_gateway.websocket().close()
        assert (_account["iban"], _deployed) == ("DE00", "yesterday")


class TestOverride:
    @pytest.fixture
    def chalice_gateway(self, chalice_gateway, jwt_tokens):
        self.__class__.theirs = chalice_gateway
        return chalice_gateway.http(token=jwt_tokens("alice"))

    def test_asks_for_what_it_overrides(self, chalice_gateway, aws_calls):
        assert chalice_gateway.get("/rooms/lobby").status_code == 200
        assert aws_calls.count("dynamodb:GetItem") == 1


def test_that_leaves_two_kinds(chalice_gateway, aws_faults):
    chalice_gateway.websocket()
    aws_faults.timed_out("sweep")


def test_after_it_nothing_is_left(chalice_gateway, aws_faults):
    assert chalice_gateway.websockets == ()
'''


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_the_hard_cases(stranger: Stranger, target: str) -> None:
    """In this order: each of the first three asserts that what it did not ask for has not been opened before."""
    run = stranger.test("-p", "no:randomly", f"--sessionplugin-target={target}", test_hard=HARD)
    run.assert_outcomes(passed=12, errors=1)
    run.stdout.fnmatch_lines(["*1 WebSocket still open*", "*a fault never fired: *sweep*"])


def test_nothing_of_the_environment_is_left_after_a_test(stranger: Stranger) -> None:
    run = stranger.test(
        test_environment="""
        import os
        import pytest

        BEFORE = dict(os.environ)

        @pytest.mark.parametrize("fixture", ["jwt_tokens", "dynamodb_tables", "aws_faults", "chalice_app",
                                             "chalice_gateway", "chalice_clock"])
        def test_opens(fixture, request):
            before = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
            assert before == {name: value for name, value in BEFORE.items() if not name.startswith("PYTEST_")}
            request.getfixturevalue(fixture)

        def test_after_the_last():
            assert {**os.environ, "PYTEST_CURRENT_TEST": ""} == {**BEFORE, "PYTEST_CURRENT_TEST": ""}
        """
    )
    run.assert_outcomes(passed=7)


def test_the_first_tests_variables_are_not_those_of_the_clients_of_all_tests(stranger: Stranger) -> None:
    run = stranger.test(
        test_marked="""
        import pytest

        @pytest.mark.chalice(env={"AWS_PROFILE": "prod", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
                                  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"})
        def test_marked(dynamodb_tables):
            assert dynamodb_tables["Rooms"].scan()["Count"] == 0

        def test_unmarked(dynamodb_tables):
            assert dynamodb_tables["Rooms"].scan()["Count"] == 0
        """
    )
    run.assert_outcomes(passed=2)


SEED = """
import pytest

@pytest.fixture(scope="session")
def dynamodb_seed():
    return {"Rooms": [{"name": "a", "wrong": object}]}
"""


def test_a_setup_that_failed_fails_alike_when_it_is_asked_again(stranger: Stranger) -> None:
    run = stranger.test(
        conftest=SEED,
        test_seed="""
        import pytest
        from pytest_sessionplugin import SessionPluginError

        @pytest.mark.parametrize("fixture", ["aws_faults", "chalice_gateway"])
        def test_twice(request, fixture):
            for each in ("dynamodb_tables", fixture):
                with pytest.raises(SessionPluginError, match="row 0 for Rooms is refused"):
                    request.getfixturevalue(each)
        """,
    )
    run.assert_outcomes(passed=2)
