"""Schemas in the dialect of their file, and the sentences on what they do not allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.contract.schemas import DRAFT_07, DRAFT_2020_12, OPENAPI_30, Schemas, parsed
from pytest_sessionplugin.errors import ContractError
from tests.contract.files import at_depth, nested, opened


def told(folder: Path, schema: str, value: Any, dialect: str = DRAFT_2020_12, of_request: bool = False) -> list[str]:
    found = Schemas(dialect).mismatches(opened(folder, schema), value, of_request=of_request)
    return [f"{each.pointer} {each.sentence} {each.place}" for each in found]


def test_a_mismatch_has_the_pointer_the_reason_and_the_place(tmp_path: Path) -> None:
    schema = "{type: object, properties: {a/b: {type: array, items: {type: integer}}}}"
    assert told(tmp_path, schema, {"a/b": [1, "x"]}) == [
        "/a~1b/1 'x' is not of type 'integer' api.yaml#/properties/a~1b/items/type"
    ]
    assert told(tmp_path, schema, {"a/b": [1]}) == []


def test_the_place_is_that_of_the_keyword_behind_references(tmp_path: Path) -> None:
    root = opened(
        tmp_path,
        "properties: {room: {$ref: 'room.yaml#/$defs/room'}}",
        room="{$defs: {room: {properties: {id: {$ref: '#/$defs/id'}}, required: [id]}, id: {type: string}}}",
    )
    found = Schemas(DRAFT_2020_12).mismatches(root, {"room": {"id": 1}}, of_request=False)
    assert [each.place for each in found] == ["room.yaml#/$defs/id/type"]
    found = Schemas(DRAFT_2020_12).mismatches(root, {"room": {}}, of_request=False)
    assert [each.place for each in found] == ["room.yaml#/$defs/room/required"]


def test_of_several_alternatives_the_one_that_comes_closest_is_told(tmp_path: Path) -> None:
    schema = "{oneOf: [{properties: {kind: {const: a}}, required: [kind, n]}, {type: array}]}"
    assert told(tmp_path, schema, {"kind": "a"}) == [" 'n' is a required property api.yaml#/oneOf/0/required"]


def test_secrets_are_not_told(tmp_path: Path) -> None:
    schema = "{properties: {ticket: {maxLength: 3}, list: {type: integer}}}"
    found = told(tmp_path, schema, {"ticket": "s3cretS3cret", "list": {"apiKey": "s3cretS3cret"}})
    assert found[0].startswith("/ticket the value does not satisfy 'maxLength'")
    assert "s3cretS3cret" not in "".join(found)


def test_a_long_sentence_is_cut(tmp_path: Path) -> None:
    [found] = told(tmp_path, "{type: integer}", "x" * 1000)
    assert len(found) < 300


@pytest.mark.parametrize(
    ("dialect", "schema", "value", "fits"),
    [
        (OPENAPI_30, "{type: string, nullable: true}", None, True),
        (OPENAPI_30, "{type: string}", None, False),
        (OPENAPI_30, "{minimum: 1, exclusiveMinimum: true}", 1, False),
        (DRAFT_2020_12, "{prefixItems: [{type: integer}]}", ["x"], False),
        (DRAFT_07, "{items: [{type: integer}]}", ["x"], False),
        (DRAFT_07, "{$schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [false]}", ["x"], False),
        (DRAFT_07, "{prefixItems: [false]}", ["x"], True),
    ],
)
def test_each_file_has_its_dialect(tmp_path: Path, dialect: str, schema: str, value: Any, fits: bool) -> None:
    assert (told(tmp_path, schema, value, dialect) == []) is fits


@pytest.mark.parametrize("dialect", [OPENAPI_30, DRAFT_2020_12])
def test_a_property_of_the_other_direction_is_not_required(tmp_path: Path, dialect: str) -> None:
    schema = "{required: [id, password], properties: {id: {readOnly: true}, password: {writeOnly: true}}}"
    assert told(tmp_path, schema, {"id": 1}, dialect) == []
    assert told(tmp_path, schema, {"password": 1}, dialect, of_request=True) == []
    assert told(tmp_path, schema, {"id": 1}, dialect, of_request=True) != []
    assert told(tmp_path, schema, {"password": 1}, dialect) != []


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date-time", "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05"),
        ("date-time", "2026-01-02T03:04:05+01:00", "2026-13-02T03:04:05Z"),
        ("date", "2026-01-02", "2026-1-2"),
        ("uuid", "6f1c2a6e-3f57-4c0b-9a53-2f1f6f0f5c11", "6f1c"),
        ("uri", "urn:a:b", "a b"),
        ("int32", 2**31 - 1, 2**31),
        ("int64", 2**63 - 1, 2**63),
    ],
)
def test_formats_are_checked(tmp_path: Path, form: str, good: Any, bad: Any) -> None:
    assert told(tmp_path, f"{{format: {form}}}", good) == []
    assert told(tmp_path, f"{{format: {form}}}", bad) != []
    assert told(tmp_path, f"{{format: {form}}}", []) == []


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ("{type: strnig}", "api.yaml#/type: not a schema: "),
        ("{$schema: 'https://example.com/mine'}", "https://example.com/mine: jsonschema does not know this dialect."),
        ("{properties: {a: {$ref: '#/nowhere'}}}", "a reference in the schema leads nowhere: "),
        (
            "{properties: {a: {$ref: 'https://example.com/x'}}}",
            "https://example.com/x: it is not a file, and contracts",
        ),
        ("{properties: {a: {$ref: missing.yaml}}}", "missing.yaml: it cannot be read: No such file"),
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error_of_the_contract(tmp_path: Path, schema: str, sentence: str) -> None:
    with pytest.raises(ContractError) as raised:
        told(tmp_path, schema, {"a": 1})
    assert sentence in str(raised.value)


@pytest.mark.parametrize("text", ["{", "NaN", "[-Infinity]", "[" * 100_000, b"\xff\xfe\xff", "9" * 10_000])
def test_a_text_that_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)
    assert parsed('{"a": [1.5, null]}') == {"a": [1.5, None]}


DEPTHS = (*range(61), 300, 600)
"""Of the caller's stack: Python's own limit would strike at another point of the work at each of them."""
NO_END = "{$id: 'urn:a', allOf: [{$ref: '#/$defs/b'}], $defs: {b: {anyOf: [{$ref: '#'}]}}}"


@pytest.mark.parametrize(
    ("dialect", "schema", "value"),
    [
        (DRAFT_2020_12, "{items: {$ref: '#'}}", nested(5_000)),
        (DRAFT_2020_12, "{$schema: 'https://json-schema.org/draft/2020-12/schema', items: {$ref: '#'}}", nested(5_000)),
        (DRAFT_2020_12, "{$dynamicAnchor: a, items: {$dynamicRef: '#a'}}", nested(5_000)),
        (DRAFT_2020_12, "{unevaluatedItems: false, items: {$ref: '#'}}", nested(5_000)),
        (DRAFT_2020_12, "{items: {oneOf: [false, {$ref: '#'}]}}", nested(500)),
        (DRAFT_2020_12, "{type: integer}", nested(100_000)),  # its sentence would show the value
        (DRAFT_2020_12, "{uniqueItems: true}", [nested(5_000), nested(5_000)]),
        (DRAFT_2020_12, NO_END, 1),
        (DRAFT_07, "{items: {$ref: '#'}}", nested(5_000)),
        (OPENAPI_30, "{type: array, items: {$ref: '#'}}", nested(5_000)),
    ],
)
def test_a_value_that_is_nested_too_deep_is_told(tmp_path: Path, dialect: str, schema: str, value: Any) -> None:
    schemas, node = Schemas(dialect), opened(tmp_path, schema)
    for frames in DEPTHS:
        [found] = at_depth(frames, lambda: schemas.mismatches(node, value, of_request=False))
        assert (found.sentence, found.place) == ("it is nested too deep", "api.yaml#")
        assert at_depth(frames, lambda: schemas.fits(node, value)) is False


@pytest.mark.parametrize("levels", range(55, 75))
def test_how_deep_a_value_may_be_nested_does_not_depend_on_the_caller(tmp_path: Path, levels: int) -> None:
    schemas, node = Schemas(DRAFT_2020_12), opened(tmp_path, "{items: {anyOf: [{type: string}, {$ref: '#'}]}}")
    verdicts = {at_depth(frames, lambda: schemas.fits(node, nested(levels, innermost=1))) for frames in (0, 300, 600)}
    assert len(verdicts) == 1


@pytest.mark.parametrize("levels", range(80, 100))
def test_a_schema_that_is_nested_too_deep_is_an_error_of_the_contract(tmp_path: Path, levels: int) -> None:
    node = opened(tmp_path, "{not: " * levels + "{}" + "}" * levels)
    for frames in DEPTHS:
        with pytest.raises(ContractError, match=r"api.yaml#: not a schema: it is nested too deep."):
            at_depth(frames, lambda: Schemas(DRAFT_2020_12).fits(node, 1))


@pytest.mark.parametrize("dialect", [DRAFT_07, DRAFT_2020_12])
def test_a_property_of_the_other_direction_is_not_required_by_a_file_that_names_its_dialect(
    tmp_path: Path, dialect: str
) -> None:
    schema = f"{{$schema: '{dialect}', required: [id], properties: {{id: {{readOnly: true}}}}}}"
    assert told(tmp_path, schema, {}, of_request=True) == []
    assert told(tmp_path, schema, {}) != []
