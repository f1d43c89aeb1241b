"""Runs the suite against apps that are already running, known only by their URLs."""

from __future__ import annotations

import sys

import pytest

from tests import forks
from tests.conformance.adapters import APPS
from tests.conformance.adapters.given import Given
from tests.forks import Fork
from tests.processes import ROOT, sessionplugin_serve

pytestmark = pytest.mark.process

RUN = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--facts"]
WITH_TIME = "tests/conformance/test_d_limits.py::test_d5_the_integration_time_out_is_29_seconds"
WITHOUT = "tests/conformance/test_f_disconnect.py::test_f5_a_close_without_a_code_is_1005"
ELSEWHERE = "tests/conformance/test_a_handshake.py::test_a3_without_a_connect_route_everybody_is_accepted"


def facts(*given: str) -> str:
    options = [f"--gateway-app={each}" for each in given]
    return forks.run([*RUN, WITH_TIME, WITHOUT, ELSEWHERE, *options], cwd=ROOT, timeout=60).stdout


def test_two_urls_suffice_and_the_third_is_for_what_takes_time() -> None:
    with sessionplugin_serve(APPS / "whole", "--control-port", "0", start=Fork) as served:
        two = f"whole={served.http}/api,{served.websocket}/api"
        assert "1 passed, 2 skipped" in (said := facts(two))
        assert "  D5   no clock and no faults\n" in said
        assert "  A3   the app 'listening' has not been brought up\n" in said
        assert "2 passed, 1 skipped" in facts(f"{two},{served.control}")


@pytest.mark.parametrize(
    "option",
    ["whole", "whole=http://127.0.0.1:1", "nobody=http://127.0.0.1:1,ws://127.0.0.1:1", "=a,b", "whole=a,b,c,d"],
)
def test_what_is_no_app_with_its_urls_is_a_sentence(option: str) -> None:
    with pytest.raises(ValueError, match=r"NAME=HTTP_URL,WEBSOCKET_URL.* of listening, mute, whole"):
        Given.read([option])
