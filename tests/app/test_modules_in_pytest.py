"""Projects whose modules have any name: one app of all tests, and copies that share nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.strangers import Stranger

APP = """
import os, sys
sys.path.insert(0, "chalicelib")
import helpers
app = helpers.the_app
app.experimental_feature_flags.add("WEBSOCKETS")

@app.route("/")
def index():
    import late
    helpers.SEEN.append(1)
    return {"who": helpers.WHO, "late": late.WHO, "seen": len(helpers.SEEN)}

@app.lambda_function()
def fail(event, context):
    helpers.SEEN.append(1)
    raise helpers.Error(str(len(helpers.SEEN)))
"""

HELPERS = """
import os
from chalice import Chalice
from settings import NAME
WHO = os.environ.get("WHO", "nobody") + " of " + NAME
SEEN = []
the_app = Chalice(app_name=NAME, configure_logs=False)

class Error(Exception):
    pass
"""


def write(root: Path, name: str) -> None:
    for folder in ("chalicelib", ".chalice"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "app.py").write_text(APP)
    (root / "settings.py").write_text(f"NAME = '{name}'\n")
    (root / "chalicelib" / "helpers.py").write_text(HELPERS)
    (root / "chalicelib" / "late.py").write_text("from helpers import WHO\n")
    (root / ".chalice" / "config.json").write_text(json.dumps({"version": "2.0", "app_name": name}))


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_copies_of_a_project_share_no_module_whatever_its_name(stranger: Stranger, target: str) -> None:
    write(stranger.root, "chat")
    write(stranger.root / "services" / "orders", "orders")
    body = """
        import sys
        import pytest
        sys.path.insert(0, "chalicelib")
        import helpers

        def who(gateway):
            return gateway.http().get("/").json()

        @pytest.mark.parametrize("seen", [1, 2])
        def test_one_app_for_all_tests(chalice_gateway, chalice_app, seen):
            assert chalice_app is helpers.the_app
            assert who(chalice_gateway) == {"who": "nobody of chat", "late": "nobody of chat", "seen": seen}

        def test_an_error_is_that_of_the_test(chalice_gateway):
            with pytest.raises(helpers.Error):
                chalice_gateway.invoke("fail")

        @pytest.mark.chalice(env={"WHO": "alice"})
        def test_variables_of_a_test(chalice_gateway, chalice_app):
            assert who(chalice_gateway) == {"who": "alice of chat", "late": "alice of chat", "seen": 1}
            import helpers as mine
            assert chalice_app is mine.the_app
            with pytest.raises(mine.Error):
                chalice_gateway.invoke("fail")
            assert mine is not helpers

        @pytest.mark.chalice(fresh=True)
        def test_fresh(chalice_gateway, monkeypatch):
            assert who(chalice_gateway)["seen"] == 1
            monkeypatch.setattr("helpers.WHO", "patched")
            assert who(chalice_gateway) == {"who": "patched", "late": "nobody of chat", "seen": 2}

        @pytest.mark.chalice(isolation="function")
        def test_each_function(chalice_gateway):
            for count in (1, 2):
                assert who(chalice_gateway)["seen"] == count
                with pytest.raises(Exception, match=str(count)):
                    chalice_gateway.invoke("fail")

        def test_another_project(chalice_gateway):
            for count in (1, 2):
                expected = {"who": "nobody of orders", "late": "nobody of orders", "seen": count}
                assert who(chalice_gateway.of("services/orders")) == expected
                assert who(chalice_gateway)["who"] == "nobody of chat"

        def test_loaded(chalice_load, monkeypatch):
            monkeypatch.setenv("WHO", "bob")
            assert chalice_load("settings").NAME == "chat"
            assert chalice_load("helpers").WHO == "bob of chat"

        def test_nothing_is_left(chalice_app):
            import helpers as again
            assert again is helpers
            assert not [name for name in sys.modules if "@" in name]
    """
    result = stranger.test(f"--sessionplugin-target={target}", test_it=body)
    result.assert_outcomes(passed=9)
