"""Patches, logs, unittest and coverage that teams have in their tests already work on the running app."""

from __future__ import annotations

import pytest

from tests.strangers import APP, Stranger

APP_TO_PATCH = (
    APP
    + """

from chalicelib import clocks


@app.route("/now")
def now():
    with open("notes.txt") as notes:
        return {"now": clocks.now(), "notes": notes.read()}
"""
)


@pytest.fixture
def stranger(stranger: Stranger) -> Stranger:
    (stranger.root / "app.py").write_text(APP_TO_PATCH)
    (stranger.root / "chalicelib").mkdir()
    (stranger.root / "chalicelib" / "__init__.py").touch()
    (stranger.root / "chalicelib" / "clocks.py").write_text("def now():\n    return 'now'\n")
    (stranger.root / "notes.txt").write_text("written")
    return stranger


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_patches_and_logs_reach_the_app_that_runs(stranger: Stranger, target: str) -> None:
    body = """
        import io
        import logging
        from unittest import mock
        import pytest

        def now(gateway):
            return gateway.http().get("/now").json()

        AS_EVER = {"now": "now", "notes": "written"}

        def test_mock_patch(chalice_gateway):
            with mock.patch("chalicelib.clocks.now", return_value="patched") as patched:
                assert now(chalice_gateway)["now"] == "patched"
            patched.assert_called_once_with()
            assert now(chalice_gateway) == AS_EVER

        @mock.patch("app.clocks.now", return_value="patched")
        def test_mock_patch_as_a_decorator(patched, chalice_gateway):
            assert now(chalice_gateway)["now"] == "patched"

        def test_monkeypatch(chalice_gateway, monkeypatch):
            monkeypatch.setattr("chalicelib.clocks.now", lambda: "patched")
            monkeypatch.setenv("GREETING", "set")
            assert now(chalice_gateway)["now"] == "patched"
            assert chalice_gateway.http().get("/rooms/a").json()["greeting"] == "set"

        def test_which_is_undone(chalice_gateway):
            assert now(chalice_gateway) == AS_EVER
            assert chalice_gateway.http().get("/rooms/a").json()["greeting"] == "hello"

        @pytest.mark.parametrize("time", [1, 2])
        @pytest.mark.chalice(fresh=True)
        def test_a_fresh_app_is_patched_too(chalice_gateway, time):
            with mock.patch("builtins.open", return_value=io.StringIO("patched")):
                assert now(chalice_gateway)["notes"] == "patched"
            with mock.patch("chalicelib.clocks.now", return_value="patched"):
                assert now(chalice_gateway) == {"now": "patched", "notes": "written"}

        def test_a_builtin(chalice_gateway):
            with mock.patch("builtins.open", return_value=io.StringIO("patched")):
                assert now(chalice_gateway)["notes"] == "patched"

        def test_caplog(chalice_gateway, caplog):
            with caplog.at_level(logging.ERROR):
                chalice_gateway.http().post("/rooms/a")
            (record,) = caplog.records
            assert (record.name, record.levelname, record.getMessage()) == ("chat", "ERROR", "somebody enters a")
            caplog.clear()
            chalice_gateway.http().get("/bug")
            assert caplog.records[0].exc_info[0] is ZeroDivisionError
    """
    stranger.test(f"--sessionplugin-target={target}", test_it=body).assert_outcomes(passed=8)


def test_a_unittest_takes_fixtures_by_an_autouse_fixture_and_is_held_to_what_it_leaves(stranger: Stranger) -> None:
    body = """
        import unittest
        from unittest import mock
        import pytest

        class WithFixtures(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, chalice_gateway, dynamodb_tables):
                self.gateway, self.tables = chalice_gateway, dynamodb_tables

            def setUp(self):
                self.gateway.http().post("/rooms/a")

            def test_one(self):
                self.assertEqual(self.gateway.http().get("/rooms/a").json()["people"], 1)

            def test_each_starts_anew(self):
                self.assertEqual(self.tables["Rooms"].scan()["Count"], 1)
                with self.subTest("a socket"), self.gateway.websocket() as socket:
                    socket.send_text("hi")
                    self.assertEqual(socket.receive_text(), "echo hi")

            @mock.patch("chalicelib.clocks.now", return_value="patched")
            def test_patched(self, patched):
                self.assertEqual(self.gateway.http().get("/now").json()["now"], "patched")

            def test_leaves_a_socket(self):
                self.gateway.websocket()

        @pytest.mark.usefixtures("dynamodb_tables")
        class WithAMark(unittest.TestCase):
            def test_tables_are_there_by_the_mark(self):
                import boto3
                self.assertEqual(boto3.client("dynamodb").list_tables()["TableNames"], ["rooms-us-east-1"])

        class WithNothing(unittest.TestCase):
            def test_nothing_is_there(self):
                import os
                self.assertNotIn("ROOMS_TABLE", os.environ)
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(passed=6, errors=1)
    result.stdout.fnmatch_lines(["1 WebSocket still open: *"])


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_handlers_are_covered_wherever_they_run(stranger: Stranger, target: str) -> None:
    pytest.importorskip("pytest_cov", reason="pytest-cov is not installed here")
    body = """
        def test_it(chalice_gateway):
            chalice_gateway.http().post("/rooms/a")
            with chalice_gateway.websocket() as socket:
                socket.send_text("hi")
                socket.receive_text()
    """
    arguments = ("-p", "pytest_cov", "--cov=app", "--cov-report=term-missing", f"--sessionplugin-target={target}")
    result = stranger.test(*arguments, test_it=body)
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if line.startswith("app.py")]
    missed = {number for part in line.partition("%")[2].split(",") for number in covered(part)}
    lines = APP_TO_PATCH.splitlines()
    said = {lines[number - 1].strip() for number in missed}
    assert said  # nobody asked for the bug
    assert "table.update_item(" not in said
    assert 'app.websocket_api.send(event.connection_id, "echo " + event.body)' not in said
    assert 'raise ZeroDivisionError("a bug in a route")' in said


def covered(part: str) -> range:
    """The lines of `12` or `12-14`."""
    first, _, last = part.strip().partition("-")
    return range(int(first), int(last or first) + 1)
