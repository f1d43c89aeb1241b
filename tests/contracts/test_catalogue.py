"""docs/errors.md has an entry for each code, which is where the `type` of a problem leads, and an example that fits."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chalicelib import errors, jsontext
from chalicelib.problems import BUG, STATUSES, handshake_status
from deployment import gateway_responses
from tests.contracts.documents import ASYNCAPI, load, problems
from tests.contracts.test_openapi import ELSEWHERE, subclasses
from tests.sources import ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROWS = {
    row[0]: row[1:] for row in re.findall(r"^\| \[`(\w+)`\]\(#\1\) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
}
EXAMPLES = {code: re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for code, text in ENTRIES.items()}
KINDS = {
    kind.code: kind
    for kind in sorted(subclasses(errors.SessionsError), key=lambda kind: not issubclass(kind, errors.NotConnected))
    if kind.code != errors.SessionsError.code
}
"""A kind with each code: of two, the one that closes no connection."""
OF_GATEWAY = {each.code: each for each in gateway_responses.RESPONSES if each.code not in KINDS}
TITLES = {code: meaning for kind, meaning in STATUSES.items() for code in [kind.code]} | {"internal_error": BUG}
NONE = "no"


def test_each_code_has_an_entry_and_a_row() -> None:
    codes = {*KINDS, *OF_GATEWAY, errors.SessionsError.code}
    assert set(ENTRIES) == codes
    assert list(ROWS) == list(ENTRIES)
    assert PAGE.count("\n## ") == len(codes)


@pytest.mark.parametrize("code", ENTRIES)
def test_an_entry_says_what_it_means_and_what_to_do(code: str) -> None:
    meaning, _, remedy = re.sub(r"```.*?```", "", ENTRIES[code], flags=re.DOTALL).partition("**To do:** ")
    assert meaning.strip().endswith(".")
    assert remedy.strip().endswith(".")


@pytest.mark.parametrize("code", ENTRIES)
def test_an_example_is_an_answer_or_a_frame_with_that_code(code: str) -> None:
    if (ROWS[code][0], ROWS[code][2]) == (NONE, NONE):  # a status and nothing else
        assert EXAMPLES[code] == []
        return
    [text] = EXAMPLES[code]
    example: dict[str, Any] = json.loads(text)
    assert example["code"] == code
    if example["type"] in {"error", "closing"}:
        assert problems(f"{example['type']}.json", example) == []
    elif code in OF_GATEWAY:
        assert problems("gateway-problem.json", example) == []
        assert example == jsontext.parse(OF_GATEWAY[code].template) | {"requestId": example["requestId"]}
    else:
        assert problems("problem.json", example) == []
        assert (example["status"], example["title"]) == TITLES[code]
        assert example["type"] == f"{errors.CATALOGUE}{code}"


@pytest.mark.parametrize("code", ROWS)
def test_a_row_says_where_a_code_comes(code: str) -> None:
    over_http, handshake, frame = ROWS[code]
    if code in OF_GATEWAY:
        assert over_http == str(OF_GATEWAY[code].status or "4XX")
    elif issubclass(KINDS.get(code, ValueError), tuple(ELSEWHERE)):
        assert over_http == NONE
    else:
        assert over_http == str(TITLES[code][0])
    if handshake != NONE and code not in OF_GATEWAY:
        assert int(handshake) in {handshake_status(error) for error in made(code)}
    schemas = {name: load(ASYNCAPI.parent / "schemas" / f"{name}.json") for name in ("error", "closing")}
    told = [f"`{name}`" for name, schema in schemas.items() if code in schema["properties"]["code"]["enum"]]
    assert frame == (", ".join(told) or NONE)


def made(code: str) -> list[Exception]:
    """Errors with this code; their details do not matter."""
    return [kind.__new__(kind) for kind in subclasses(errors.SessionsError) if kind.code == code] or [ValueError()]


def test_the_handshakes_statuses_are_those_of_the_contract() -> None:
    told = set(re.findall(r"\b([45]\d\d)\b", load(ASYNCAPI)["channels"]["session"]["description"]))
    assert {handshake for _, handshake, _ in ROWS.values()} - {NONE} == told


def test_the_type_of_a_problem_leads_to_this_page() -> None:
    assert errors.CATALOGUE.endswith("/docs/errors.html#")
    assert '"errors.md"' in (ROOT / "zensical.toml").read_text(encoding="utf-8")
