"""Additions to the text of a contract: every line that is there stays, and the content is the old one with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_sessionplugin.contract.documents import content_of
from pytest_sessionplugin.contract.edits import Addition, applied, as_json, as_yaml, inserted
from pytest_sessionplugin.errors import ContractError

YAML = Path("api.yaml")


def added(text: str, *additions: Addition) -> str:
    """The text with the additions, whose content has been compared."""
    after = inserted(text, additions)
    assert content_of(YAML, after) == applied(content_of(YAML, text), additions)
    return after


@pytest.mark.parametrize(
    ("text", "path", "value", "after"),
    [
        ("a: 1  # one\n\n# the end\n", "b", 2, "a: 1  # one\nb: 2\n\n# the end\n"),
        ("a:\n    b: 1\n# of c\nc: 2\n", "a/d", {"e": 1}, "a:\n    b: 1\n    d:\n      e: 1\n# of c\nc: 2\n"),
        ("a: {b: 1, c: [2]} # flow\nd: 1\n", "a/e", {"f": "g h"}, "a: {b: 1, c: [2], e: {f: g h}} # flow\nd: 1\n"),
        ("a: {\n  b: 1, # one\n}\n", "a/c", 2, "a: {\n  b: 1,\n  c: 2, # one\n}\n"),
        ("a: {}  # none yet\nb: 1\n", "a/c", 2, "a:  # none yet\n  c: 2\nb: 1\n"),
        ("a:  # none yet\nb: 1\n", "a/c", 2, "a:  # none yet\n  c: 2\nb: 1\n"),
        ("a: ~\n", "a/c", 2, "a:\n  c: 2\n"),
        ("a: {b: {}, c: }\n", "a/b/d", 2, "a: {b: {d: 2}, c: }\n"),
        ("a:\n- 1\n- 2 # two\nb: 1\n", "a/-", {"c": 1, "d": 2}, "a:\n- 1\n- 2 # two\n- c: 1\n  d: 2\nb: 1\n"),
        ("a: [1]\n", "a/-", 2, "a: [1, 2]\n"),
        ("a: []\n", "a/-", 2, "a:\n  - 2\n"),
        ("a:\n  - b: 1\n  - {}\n", "a/0/c", 2, "a:\n  - b: 1\n    c: 2\n  - {}\n"),
        ("a:\n  - b: 1\n  - {}\n", "a/1/c", 2, "a:\n  - b: 1\n  -\n    c: 2\n"),
        ("a:\n  b: |\n    text\n\n# of c\nc: 1\n", "a/d", 2, "a:\n  b: |\n    text\n  d: 2\n\n# of c\nc: 1\n"),
        ("a:\n  b: |+\n    text\n\nc: 1\n", "a/d", 2, "a:\n  b: |+\n    text\n\n  d: 2\nc: 1\n"),
        ("a:\n  b: >-\n    two\n    lines\n", "a/d", 2, "a:\n  b: >-\n    two\n    lines\n  d: 2\n"),
        ('a: "b\n  c"\n', "d", 2, 'a: "b\n  c"\nd: 2\n'),
        ("a: &x {b: 1}\nc: *x  # as a\n", "d", 2, "a: &x {b: 1}\nc: *x  # as a\nd: 2\n"),
        ("a: &x\n  b: 1\nc: 1\n", "a/d", 2, "a: &x\n  b: 1\n  d: 2\nc: 1\n"),
        ("a: &x # y\n  - b\nc: 1\n", "a/-", 2, "a: &x # y\n  - b\n  - 2\nc: 1\n"),
        ("a: 1", "b", 2, "a: 1\nb: 2\n"),
        ("a:\r\n  b: 1\r\nc: 1\r\n", "a/d", {"e": 2}, "a:\r\n  b: 1\r\n  d:\r\n    e: 2\r\nc: 1\r\n"),
        ("'200': 1\n201: {a: 1}\n", "201/b", "on", "'200': 1\n201: {a: 1, b: 'on'}\n"),
        ("a:\n  b: 1\n  # of b\nc: 1\n", "a/d", "x\ny", 'a:\n  b: 1\n  d: "x\\ny"\n  # of b\nc: 1\n'),
        ("a: 1\n...\n", "b", "two\nlines", "a: 1\nb: |-\n  two\n  lines\n...\n"),
    ],
)
def test_an_addition_leaves_the_other_lines_alone(text: str, path: str, value: Any, after: str) -> None:
    assert added(text, Addition(tuple(path.split("/")), value)) == after


def test_additions_at_one_place_are_in_the_order_of_their_depth() -> None:
    additions = [
        Addition(("c",), 3),
        Addition(("a", "b", "y"), [2]),
        Addition(("a", "b", "z"), 3),
        Addition(("a", "z"), 2),
        Addition(("d",), 4),
    ]
    after = "a:\n  b:\n    x: 1\n    y:\n      - 2\n    z: 3\n  z: 2\nc: 3\nd: 4\n"
    assert added("a:\n  b:\n    x: 1\n", *additions) == after
    assert yaml.safe_load(added("a:\n  b:\n    x: 1", *additions)) == yaml.safe_load(after)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x {b: 1}\nc: *x\n", "c/d"),
        ("a: &x {b: {e: 1}}\nc: *x\n", "c/b/d"),
        ("a: text\n", "a/b"),
        ("x: &x {b: {e: 1}}\nc:\n  <<: *x\n", "c/b/d"),
    ],
)
def test_a_place_that_the_text_does_not_have_is_refused(text: str, path: str) -> None:
    with pytest.raises(ContractError, match="alias"):
        inserted(text, [Addition(tuple(path.split("/")), 1)])


def test_the_content_with_additions_is_a_copy() -> None:
    content = {"a": {"b": [1]}, "c": None, "e": None}
    changed = applied(content, [Addition(("a", "b", "-"), 2), Addition(("c", "d"), 3), Addition(("e", "-"), 4)])
    assert changed == {"a": {"b": [1, 2]}, "c": {"d": 3}, "e": [4]}
    assert content == {"a": {"b": [1]}, "c": None, "e": None}


@pytest.mark.parametrize(
    ("content", "path", "said"),
    [
        ({"a/b": "text"}, ("a/b", "c"), r"api\.yaml#/a~1b: it must be an object\."),
        ({"a": [1]}, ("a", "c"), r"api\.yaml#/a: it must be an object\."),
        ({"a": [{}]}, ("a", "1", "c"), r"api\.yaml#/a: it must be an object\."),
        ({"a": {"b": {}}}, ("a", "b", "-"), r"api\.yaml#/a/b: it must be a list\."),
    ],
)
def test_an_addition_to_another_type_is_refused(content: dict[str, Any], path: tuple[str, ...], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        applied(content, [Addition(path, 1)], "api.yaml")


def test_json_keeps_its_indentation() -> None:
    assert as_json({"a": {"ä": 1}}, like='{\n\t"a": {}\n}') == '{\n\t"a": {\n\t\t"ä": 1\n\t}\n}\n'
    assert as_json({"a": 1}) == '{\n  "a": 1\n}\n'


def test_yaml_is_written_for_people() -> None:
    same = {"no": "yes"}
    text = as_yaml({"b": ["ä" * 100, {"c": "two\nlines"}], "a": [same, same]})
    said = f"""
        b:
          - {"ä" * 100}
          - c: |-
              two
              lines
        a:
          - 'no': 'yes'
          - 'no': 'yes'
    """
    assert text == dedent(said).lstrip()


# --- any file

TEXTS = st.sampled_from(
    ["", "a", "on", "1", "2026-01-02", "a: b", "- a", "#", "{x}", "two\nlines", "line\n", "ä", "*/*"]
)
SCALARS = TEXTS | st.integers(-5, 5) | st.booleans() | st.none()
REMARKS = st.sampled_from(["# a comment\n", "\n", "    # indented\n"])
KEYS = st.sampled_from(["a", "b", "/p/{x}", "200", "x-y", "$ref", "on"])
CONTENTS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=12
    ),
    max_size=4,
)


def places(content: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths at which something can be added."""
    if isinstance(content, dict):
        yield (*at, "new")
        for key, value in content.items():
            yield from places(value, (*at, key))
    elif isinstance(content, list):
        yield (*at, "-")
        for number, value in enumerate(content):
            yield from places(value, (*at, str(number)))
    elif content is None and at:
        yield (*at, "new")


@given(data=st.data(), content=CONTENTS, flow=st.sampled_from([None, False, True]), indent=st.integers(2, 4))
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_file_its_lines_stay_and_the_additions_are_there(
    data: st.DataObject, content: dict[str, Any], flow: bool | None, indent: int
) -> None:
    text = yaml.safe_dump(content, default_flow_style=flow, indent=indent, sort_keys=False, allow_unicode=True)
    lines = text.splitlines(keepends=True)
    for number in data.draw(st.lists(st.integers(0, len(lines)), max_size=2)):
        remarked = [*lines[:number], data.draw(REMARKS), *lines[number:]]
        with suppress(ContractError):
            if content_of(YAML, "".join(remarked)) == content:  # it is not within a text
                lines = remarked
    text = "".join(lines)
    chosen = data.draw(st.lists(st.sampled_from(list(places(content))), unique=True, min_size=1, max_size=3))
    additions = [Addition(path, data.draw(CONTENTS | SCALARS)) for path in chosen]
    owners = [path[:-1] for path in chosen]
    if len(set(owners)) < len(owners) and any(path[-1] == "-" for path in chosen):
        return
    after = inserted(text, additions)
    assert content_of(YAML, after) == applied(content_of(YAML, text), additions)
    if flow is False and "{}" not in text and "[]" not in text and "null" not in text:
        remaining = iter(after.splitlines())
        assert all(any(line == other for other in remaining) for line in text.splitlines())
