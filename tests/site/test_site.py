"""The site that `make docs` has built: every page is there, and a browser that reads it asks no other host."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.sources import ROOT

DOCS, SITE = ROOT / "docs", ROOT / "build" / "docs"
PAGES = sorted(SITE.rglob("*.html"))
POLICY = "default-src 'self' file: data: blob: 'unsafe-inline'"
OUTSIDE = re.compile(r"\s*(?:https?:|wss?:)?//", re.IGNORECASE)
OF_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background", "ping"}
LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload"}
NAMESPACES = ("http://www.w3.org/", "https://fontawesome.com")  # names, and a licence in a comment
OPTIONAL = {  # parts that the generator's script fetches, and what it looks for in a page before it does
    "https://unpkg.com/mermaid": 'class="mermaid',
    "https://unpkg.com/glightbox": "glightbox",
    "https://unpkg.com/ace-builds": "pyodide",
    "https://unpkg.com/pyodide": "pyodide",
    "https://cdn.jsdelivr.net/pyodide": "pyodide",
    "https://unpkg.com/resize-observer-polyfill": "",  # browsers older than 2020
    "https://api.github.com/": 'data-md-component="source"',
    "https://${": 'data-md-component="source"',  # GitLab
}


class Loads(HTMLParser):
    """Addresses that a browser loads when it shows a page, as far as they lead outside."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.policies: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "meta" and given.get("http-equiv") == "Content-Security-Policy":
            self.policies.append(given.get("content"))
        names = LOADING | ({"href"} if tag == "link" and given.get("rel") in LINKS else set())
        self.outside += [value for name, value in attrs if name in names and value and OUTSIDE.match(value)]
        self.outside += OF_CSS.findall(given.get("style") or "")


def loads(html: str) -> Loads:
    found = Loads()
    found.feed(html)
    found.outside += [
        each for style in re.findall(r"<style.*?</style>", html, re.DOTALL) for each in OF_CSS.findall(style)
    ]
    return found


def test_every_page_of_docs_is_built_and_in_the_navigation() -> None:
    made = {page.relative_to(SITE).as_posix() for page in PAGES} - {"404.html"}
    assert made == {page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.rglob("*.md")}
    navigation = re.search(
        r'<nav class="md-nav md-nav--primary".*?\n</nav>', (SITE / "404.html").read_text(), re.DOTALL
    )
    assert navigation is not None
    assert {each for each in made if f'{each}"' not in navigation[0]} == set()


def test_the_type_of_a_problem_is_an_anchor_of_its_page() -> None:
    page = (SITE / "errors.html").read_text()
    codes = re.findall(r"^## (\w+)$", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert codes
    assert [code for code in codes if f'id="{code}"' not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(SITE).as_posix())
def test_a_page_loads_nothing_from_outside_and_forbids_it(page: Path) -> None:
    found = loads(page.read_text())
    assert found.outside == []
    assert found.policies == [POLICY]


def test_no_style_loads_anything_from_outside() -> None:
    styles = list(SITE.rglob("*.css"))
    assert styles
    assert {each for style in styles for each in OF_CSS.findall(style.read_text())} == set()


def test_the_scripts_know_no_address_but_those_of_parts_that_no_page_uses() -> None:
    scripts = [script.read_text() for script in SITE.rglob("*.js")]
    known = {each for script in scripts for each in re.findall(r"(?:https?|wss?)://[^\s\"'`<>)]*", script)}
    assert known
    assert {each for each in known if not each.startswith((*NAMESPACES, *OPTIONAL))} == set()
    used = {mark for mark in OPTIONAL.values() if mark and any(mark in page.read_text() for page in PAGES)}
    assert used == set()


@pytest.mark.parametrize(
    ("html", "outside"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ('<img src="//cdn.example/x.png">', ["//cdn.example/x.png"]),
        ('<link rel="stylesheet" href="https://fonts.example/a">', ["https://fonts.example/a"]),
        ('<p style="background: url(https://img.example/b)">', ["https://img.example/b"]),
        ("<style>@import 'https://a.example/c.css'</style>", ["https://a.example/c.css"]),
        ('<a href="https://example.com">a link</a><script src="../x.js"></script>', []),
    ],
)
def test_a_load_from_outside_is_found(html: str, outside: list[str]) -> None:
    assert loads(html).outside == outside
