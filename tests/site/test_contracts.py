"""The pages that `make contracts` has built: a browser finds every operation in them, and asks for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.site.browser import read
from tests.sources import ROOT

CONTRACTS, BUILT = ROOT / "contracts", ROOT / "build" / "contracts"


def headlines(contract: str) -> set[str]:
    """A text of the page for each operation or path."""
    of = yaml.safe_load((CONTRACTS / contract).read_text(encoding="utf-8"))
    return {each["title"] for each in of["operations"].values()} if "operations" in of else set(of["paths"])


def local(address: str) -> bool:
    return address.startswith(("data:", "blob:"))


@pytest.mark.parametrize(("page", "contract"), [("http.html", "openapi.yaml"), ("websocket.html", "asyncapi.yaml")])
def test_a_page_shows_its_contract_and_asks_for_nothing_else(page: str, contract: str) -> None:
    expected = headlines(contract)
    shown = read(BUILT / page, *expected)
    assert {each for each in expected if each not in shown.text} == set()
    assert [each for each in shown.asked if not local(each)] == []
    assert shown.errors == ()


def test_a_request_that_a_page_makes_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    outside = "http://127.0.0.1:9/"
    page.write_text(f"<p>a page</p><script>fetch('{outside}').catch(() => 0)</script><img src='{outside}y.png'>")
    shown = read(page, "a page")
    assert set(shown.asked) == {outside, f"{outside}y.png"}
