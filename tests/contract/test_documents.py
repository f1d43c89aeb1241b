"""The files of a contract: what is read, how references are followed, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sessionplugin.contract.documents import Documents
from pytest_sessionplugin.errors import ContractError
from tests.contract.files import opened


def test_yaml_has_the_types_of_json(tmp_path: Path) -> None:
    text = "200: yes\nday: 2026-01-02\nfine: true\nnumber: 1\nlist: [on, null]\n"
    assert opened(tmp_path, text).value == {
        "200": "yes",
        "day": "2026-01-02",
        "fine": True,
        "number": 1,
        "list": ["on", None],
    }


def test_json_is_read_as_json(tmp_path: Path) -> None:
    assert opened(tmp_path, '{"a": 1}', "api.json").value == {"a": 1}


def test_references_lead_within_a_file_and_to_another(tmp_path: Path) -> None:
    root = opened(
        tmp_path,
        "a: {$ref: '#/b~1c'}\nb/c: {$ref: 'other.yaml#/things/0'}\n",
        other="things: [{name: first}]",
    )
    found = root.get("a")
    assert found is not None
    assert (found.value, found.place) == ({"name": "first"}, "other.yaml#/things/0")
    assert found.text("name") == "first"
    assert found.text("age") is None


def test_children_are_followed_and_those_that_are_missing_are_none(tmp_path: Path) -> None:
    root = opened(tmp_path, "list: [{$ref: '#/x'}, 2]\nx: 1\n")
    assert [(key, node.value) for key, node in root.get("list").items()] == [("0", 1), ("1", 2)]  # type: ignore[union-attr]
    assert root.get("list", "2") is None
    assert root.get("x", "y") is None
    assert list(root.get("x").items()) == []  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("#/nowhere", "api.yaml#/a: it refers to #/nowhere, and nothing is there."),
        (
            "https://example.com/a.yaml",
            "a.yaml. https://example.com/a.yaml: it is not a file, and contracts are not fetched",
        ),
        ("missing.yaml", "missing.yaml: it cannot be read: No such file or directory."),
        ("#/a", "api.yaml#/a: it refers to itself, or through 32 others."),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_its_place(tmp_path: Path, reference: str, told: str) -> None:
    with pytest.raises(ContractError) as raised:
        opened(tmp_path, f"a: {{$ref: '{reference}'}}").get("a")
    assert told in str(raised.value)
    assert str(raised.value).startswith("api.yaml#/a: it refers to ")


@pytest.mark.parametrize(("name", "text", "form"), [("a.json", "{", "JSON"), ("a.yaml", "a: [", "YAML")])
def test_a_file_that_is_not_of_its_form_is_told(tmp_path: Path, name: str, text: str, form: str) -> None:
    with pytest.raises(ContractError, match=f"{name}: it is not {form}: "):
        opened(tmp_path, text, name)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yaml", "a:\n  b: 1\n  c: 2\n  b: 3\n", "line 4, column 3: the key b stands in line 2, too."),
        ("a.yaml", "list: [{200: 1, '200': 2}]", "line 1, column 17: the key 200 stands in line 1, too."),
        ("a.yaml", "a: 1\nb: [1, 2\nc: 3\n", "while parsing a flow sequence from line 2."),
        ("a.json", '{"a": {"b": 1, "b": 2}}', "an object has the key b twice."),
    ],
)
def test_the_fault_of_a_file_is_told_with_its_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(ContractError) as raised:
        opened(tmp_path, text, name)
    assert str(raised.value).endswith(told)
    assert "unicode string" not in str(raised.value)


def test_a_key_that_comes_by_a_merge_may_be_given_again(tmp_path: Path) -> None:
    assert opened(tmp_path, "a: &a {b: 1}\nc: {<<: *a, b: 2}\n").value["c"] == {"b": 2}


def test_a_file_outside_of_the_folder_has_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "a.yaml").write_text("a: 1")
    assert Documents(tmp_path / "here").open(tmp_path / "a.yaml").place == f"{(tmp_path / 'a.yaml').as_posix()}#"
