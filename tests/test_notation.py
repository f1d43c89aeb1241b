"""JSON and YAML of files: what is refused, with its line, and at whatever depth of the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_sessionplugin.notation import MOST_LEVELS, json_value, strict_loader, yaml_value
from tests.contract.files import at_depth, nested


def yaml(text: str) -> Any:
    return yaml_value(text, strict_loader())


def test_values_are_read() -> None:
    assert json_value('{"a": [1, null]}') == {"a": [1, None]}
    assert yaml("a: [1, null]") == {"a": [1, None]}


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (json_value, '{"a": {"b": 1, "b": 2}}', "an object has the key b twice"),
        (json_value, '{"a": ', "Expecting value: line 1 column 7 (char 6)"),
        (yaml, "a:\n  b: 1\n  c: 2\n  b: 3\n", "line 4, column 3: the key b stands in line 2, too"),
        (yaml, "[{200: 1, '200': 2}]", "line 1, column 11: the key 200 stands in line 1, too"),
        (yaml, "a: !!python/name:os.system x", "line 1, column 4: could not determine a constructor for the tag"),
        (yaml, "a: \x00", "unacceptable character #x0000: control characters are not allowed at position 3"),
        (yaml, "a: 2026-13-02", "month must be in 1..12"),
    ],
)
def test_a_text_that_cannot_be_read_is_told_in_one_line(read: Callable[[str], Any], text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        read(text)
    assert str(raised.value).startswith(told)
    assert "\n" not in str(raised.value)


def test_a_key_that_comes_by_a_merge_may_be_given_again() -> None:
    assert yaml("a: &a {b: 1}\nc: {<<: *a, b: 2}\n")["c"] == {"b": 2}


@pytest.mark.parametrize("read", [json_value, yaml])
@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 400, 900, 1_500, 100_000])
def test_a_text_that_is_nested_too_deep_is_told_wherever_the_caller_is(read: Callable[[str], Any], levels: int) -> None:
    for frames in (0, 60, 300, 600):
        with pytest.raises(ValueError, match=f"it is nested deeper than {MOST_LEVELS} levels|maximum nesting depth"):
            at_depth(frames, lambda: read("[" * levels + "]" * levels))
        assert at_depth(frames, lambda: read("[" * MOST_LEVELS + "]" * MOST_LEVELS)) == nested(MOST_LEVELS - 1)


def test_an_alias_counts_once_and_may_not_lead_to_itself() -> None:
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    assert yaml("\n".join(lines))["a1"] == [[1]] * 9
    with pytest.raises(ValueError, match="it is nested deeper than"):
        yaml("&a [*a]")
