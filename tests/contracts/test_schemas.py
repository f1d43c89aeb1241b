"""The schemas are valid and closed, and each example fits its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from chalicelib import credentials, events, frames, http, jsontext, members, model, sessions
from tests.contracts.documents import ASYNCAPI, CONTRACTS, LOADER, OPENAPI, SCHEMAS, load, nodes, problems

NAMES = [path.name for path in SCHEMAS]
ANYTHING = {  # objects that hold whatever a client puts there
    "session.json#/properties/metadata",
    "new-session.json#/properties/metadata",
    "session-patch.json#/properties/metadata",
}


def is_schema_of_objects(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid(name: str) -> None:
    schema = load(CONTRACTS / "schemas" / name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert {"title", "examples"} <= set(schema)


@pytest.mark.parametrize("name", NAMES)
def test_each_example_of_a_schema_fits_it(name: str) -> None:
    for example in load(CONTRACTS / "schemas" / name)["examples"]:
        assert problems(name, example) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_has_no_room_for_a_field_that_it_does_not_name(name: str) -> None:
    schema = load(CONTRACTS / "schemas" / name)
    schema = {**schema, "examples": []}
    open_ones = [
        where
        for where, node in nodes(schema)
        if is_schema_of_objects(node)
        and node.get("additionalProperties") is not False
        and f"{name}{where}" not in ANYTHING
    ]
    assert open_ones == []


@pytest.mark.parametrize("name", NAMES)
def test_a_field_that_must_be_there_is_described(name: str) -> None:
    for where, node in nodes({**load(CONTRACTS / "schemas" / name), "examples": []}):
        assert set(node.get("required", ())) <= set(node.get("properties", ())), where


def twice(text: str) -> list[str]:
    """Keys that a YAML or JSON text has twice in one mapping: readers take the last one, or refuse the file."""
    pending, found = [yaml.compose(text, Loader=LOADER)], []
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            found += [key for key, count in Counter(keys).items() if count > 1]
            pending += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            pending += node.value
    return found


@pytest.mark.parametrize("path", [OPENAPI, ASYNCAPI, *SCHEMAS], ids=lambda path: path.name)
def test_a_file_has_no_key_twice(path: Path) -> None:
    assert twice(path.read_text(encoding="utf-8")) == []


def test_a_key_that_is_there_twice_is_found() -> None:
    assert twice("a: {b: 1, c: [{d: 1, d: 2}]}\ne: 1\na: 2\n") == ["a", "d"]


def test_each_schema_is_used() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (OPENAPI, ASYNCAPI, *SCHEMAS)]
    assert [name for name in NAMES if not any(name in text for text in texts)] == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("session-patch.json", {"titel": "x"}, "titel"),
        ("new-session.json", {"expiresIn": 59}, "minimum"),
        ("problem.json", {}, "required"),
        ("ping.json", {"action": "pong"}, "ping"),
        ("ack.json", {"type": "ack", "seq": 1, "sent": 0, "missed": 0}, "not valid under any"),
        ("ack.json", {"type": "ack"}, "not valid under any"),
        ("new-ticket.json", {"role": "viewer"}, "subject"),
        ("new-ticket.json", {"subject": "ada"}, "guest"),
        ("time.json", "2026-13-22T14:29:55.123Z", "date-time"),
        ("time.json", "2026-11-22T14:29:55Z", "match"),
    ],
)
def test_a_value_that_does_not_fit_is_found(name: str, value: object, found: str) -> None:
    assert found in json.dumps(problems(name, value))


def test_a_reference_leads_to_a_file_of_the_contracts() -> None:
    """References stay within contracts/: the folder can be given away."""
    for path in (OPENAPI, ASYNCAPI, *SCHEMAS):
        for where, node in nodes(load(path)):
            file = str(node.get("$ref", "")).partition("#")[0]
            assert not file or (path.parent / file).resolve().is_relative_to(CONTRACTS), f"{path.name}{where}"


@pytest.mark.parametrize(
    ("name", "steps", "value"),
    [
        ("session.json", "sessionId pattern", f"^{model.SESSION_ID.pattern}$"),
        ("session.json", "status enum", [status.value for status in model.Status]),
        ("session.json", "ownerId maxLength", members.SUBJECT_LENGTH),
        ("new-ticket.json", "subject maxLength", members.SUBJECT_LENGTH),
        ("new-ticket.json", "expiresIn minimum", http.GUEST_LASTS[0]),
        ("new-ticket.json", "expiresIn maximum", http.GUEST_LASTS[-1]),
        ("new-ticket.json", "expiresIn default", members.Guest.lasts.total_seconds()),
        ("ticket.json", "ticket pattern", f"^{credentials.TICKET_TEXT.pattern}$"),
        ("ticket.json", "expiresIn maximum", members.TICKET_LASTS.total_seconds()),
        ("session.json", "title maxLength", http.TITLE_LENGTH),
        ("new-session.json", "title maxLength", http.TITLE_LENGTH),
        ("new-session.json", "expiresIn minimum", http.EXPIRES_IN[0]),
        ("new-session.json", "expiresIn maximum", http.EXPIRES_IN[-1]),
        ("new-session.json", "expiresIn default", http.EXPIRES_IN[-1]),
        ("new-session.json", "joinAs default", model.Draft.join_as.value),
        ("new-session.json", "duplicates default", model.Draft.duplicates.value),
        ("new-session.json", "maxConnections default", model.Draft.max_connections),
        ("new-session.json", "maxConnections minimum", http.MAX_CONNECTIONS[0]),
        ("new-session.json", "maxConnections maximum", http.MAX_CONNECTIONS[-1]),
        ("session.json", "maxConnections maximum", http.MAX_CONNECTIONS[-1]),
        ("session.json", "duplicates enum", [rule.value for rule in members.Duplicates]),
        ("new-session.json", "duplicates enum", [rule.value for rule in members.Duplicates]),
        ("participant.json", "role enum", [role.value for role in members.Role]),
        ("session-patch.json", "title maxLength", http.TITLE_LENGTH),
        ("session-patch.json", "status enum", [status.value for status in model.Status]),
        ("session-list.json", "sessions maxItems", http.LIMITS[-1]),
        ("participant-list.json", "participants maxItems", http.LIMITS[-1]),
        ("hello.json", "resume properties seq maximum", model.LARGEST_SEQ),
        ("event-list.json", "events maxItems", http.EVENT_LIMITS[-1]),
        ("welcome.json", "events maxItems", events.RESUMED_EVENTS),
    ],
)
def test_a_bound_is_that_of_the_service(name: str, steps: str, value: object) -> None:
    node = load(CONTRACTS / "schemas" / name)["properties"]
    for step in steps.split():
        node = node[step]
    assert node == value


@pytest.mark.parametrize(
    ("path", "name", "allowed", "default"),
    [
        ("/sessions", "limit", http.LIMITS, http.DEFAULT_LIMIT),
        ("/sessions/{sessionId}/participants", "limit", http.LIMITS, http.DEFAULT_LIMIT),
        ("/sessions/{sessionId}/events", "limit", http.EVENT_LIMITS, http.DEFAULT_EVENT_LIMIT),
        ("/sessions/{sessionId}/events", "after", http.AFTER, 0),
    ],
)
def test_a_number_in_a_query_is_bounded_as_the_service_bounds_it(
    path: str, name: str, allowed: range, default: int
) -> None:
    parameters = load(OPENAPI)["paths"][path]["get"]["parameters"]
    schema = next(each["schema"] for each in parameters if each.get("name") == name)
    assert (schema["minimum"], schema["maximum"], schema["default"]) == (allowed[0], allowed[-1], default)


def test_texts_name_the_bounds_that_a_schema_cannot_have() -> None:
    metadata = load(CONTRACTS / "schemas" / "new-session.json")["properties"]["metadata"]["description"]
    assert f"{sessions.METADATA_BYTES:,} bytes" in metadata
    assert f"{sessions.METADATA_DEPTH} levels" in metadata
    assert (
        f"{jsontext.MAX_DEPTH} levels"
        in load(CONTRACTS / "schemas" / "publish.json")["properties"]["data"]["description"]
    )
    assert load(CONTRACTS / "schemas" / "frame-id.json")["maxLength"] == frames.REPLY_TO_LENGTH
    assert load(CONTRACTS / "schemas" / "correlation-id.json")["pattern"] == f"^{http.CORRELATION_ID.pattern}$"
    welcome = load(CONTRACTS / "schemas" / "welcome.json")["properties"]
    assert f"{events.RESUMED_BYTES:,} bytes" in welcome["events"]["description"]
    for key in ("IdempotencyKey", "PublishKey"):
        assert load(OPENAPI)["components"]["parameters"][key]["schema"]["pattern"] == f"^{events.KEY.pattern}$"
    publish = load(CONTRACTS / "schemas" / "publish.json")["properties"]
    assert publish["key"]["pattern"] == f"^{events.KEY.pattern}$"
    assert f"{http.BODY_BYTES:,}" in load(OPENAPI)["components"]["responses"]["TooLarge"]["description"]


@pytest.mark.parametrize(
    ("path", "verb", "name", "values", "default"),
    [
        ("/sessions", "get", "limit", http.LIMITS, http.DEFAULT_LIMIT),
        ("/sessions/{sessionId}/participants", "get", "limit", http.LIMITS, http.DEFAULT_LIMIT),
        ("/sessions/{sessionId}/participants", "delete", "ban", http.BAN, int(http.DEFAULT_BAN)),
    ],
)
def test_a_parameter_has_the_bounds_of_the_service(
    path: str, verb: str, name: str, values: range, default: int
) -> None:
    described = load(OPENAPI)["paths"][path][verb]["parameters"]
    schema = next(each["schema"] for each in described if each.get("name") == name)
    assert (schema["minimum"], schema["maximum"], schema["default"]) == (values[0], values[-1], default)
