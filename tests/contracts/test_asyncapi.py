"""asyncapi.yaml has each frame of the service in either direction, and no other; each is told by one word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import errors, frames, jsontext
from tests.contracts.documents import ASYNCAPI, load, nodes, problems, resolved
from tests.contracts.test_openapi import subclasses
from tests.sources import ROOT, tree

CONTRACT = load(ASYNCAPI)
MESSAGES = CONTRACT["components"]["messages"]
SOURCES = [ROOT / "chalicelib" / f"{name}.py" for name in ("frames", "delivery", "connections")]
GATEWAY = "gatewayError"


def schema(message: str) -> Mapping[str, Any]:
    """The payload of a message, as the file of its own that it is."""
    payload = MESSAGES[message]["payload"]
    assert payload["schemaFormat"] == "application/schema+json;version=draft-2020-12"
    found: Mapping[str, Any] = resolved(payload["schema"], ASYNCAPI)[0]
    return found


def words(message: str) -> list[tuple[str, str]]:
    """Names and values of its constants."""
    return [(where, node["const"]) for where, node in nodes(schema(message)) if "const" in node]


def direction(action: str) -> set[str]:
    """Messages of the operations of one direction; a reply goes the other way."""
    there, back = set[str](), set[str]()
    for operation in CONTRACT["operations"].values():
        named = {each["$ref"].rpartition("/")[2] for each in operation["messages"]}
        replies = {each["$ref"].rpartition("/")[2] for each in operation.get("reply", {}).get("messages", ())}
        (there if operation["action"] == action else back).update(named)
        (back if operation["action"] == action else there).update(replies)
    return there


def types_of_the_service() -> Iterator[str]:
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "type" and isinstance(value, ast.Constant):
                        yield str(value.value)


def test_each_message_is_told_from_the_others_by_one_word() -> None:
    found = {message: words(message) for message in MESSAGES if message != GATEWAY}
    assert {message: len(each) for message, each in found.items() if len(each) != 1} == {}
    assert {where for message in direction("receive") for where, _ in found[message]} == {"#/properties/action"}
    assert {where for m in direction("send") - {GATEWAY} for where, _ in found[m]} == {"#/properties/type"}
    values = [value for each in found.values() for _, value in each]
    assert len(values) == len(set(values))
    assert words(GATEWAY) == []


def test_it_has_each_frame_that_the_service_sends() -> None:
    told = {word for m in direction("send") - {GATEWAY} for _, word in words(m)}
    assert told == set(types_of_the_service())


def test_it_has_each_action_that_the_service_takes() -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        frames.action(frames.Envelope(None, {"action": "?"}))
    taken = set(re.findall(r"\w+", refused.value.detail.removeprefix("action must be "))) - {"or"}
    assert taken == {word for message in direction("receive") for _, word in words(message)}


@pytest.mark.parametrize("message", sorted(direction("receive")))
def test_an_example_of_a_frame_is_taken(message: str) -> None:
    for example in schema(message)["examples"]:
        envelope = frames.envelope(jsontext.compact(example))
        assert envelope.reply_to == example.get("id")
        frames.action(envelope)


def test_the_channel_and_the_operations_have_each_message() -> None:
    assert set(CONTRACT["channels"]["session"]["messages"]) == set(MESSAGES)
    assert direction("receive") | direction("send") == set(MESSAGES)
    assert direction("receive") & direction("send") == set()


def test_a_request_is_answered_by_its_id() -> None:
    for operation in CONTRACT["operations"].values():
        if operation["action"] == "receive":
            assert {MESSAGES[m]["correlationId"]["$ref"].rpartition("/")[2] for m in named(operation)} == {"request"}
            answers = named(operation["reply"])
            assert {MESSAGES[m]["correlationId"]["$ref"].rpartition("/")[2] for m in answers} == {"reply"}
            assert "error" in answers


def named(part: Mapping[str, Any]) -> set[str]:
    return {each["$ref"].rpartition("/")[2] for each in part["messages"]}


def test_frames_have_each_code_of_the_service() -> None:
    """Codes of HTTP alone, and of handshakes, come in no frame."""
    closing = {kind.code for kind in subclasses(errors.NotConnected)}
    assert set(schema("closing")["properties"]["code"]["enum"]) == closing
    told = {"invalid_request", "too_large", "session_not_found", "session_ended", "session_paused", "unavailable"}
    told |= {"unauthenticated", "not_allowed", "no_presence", "rate_limited", "not_durable", "idempotency_mismatch"}
    assert set(schema("error")["properties"]["code"]["enum"]) == told | {"internal_error"}
    assert told <= {kind.code for kind in subclasses(errors.SessionsError)}


@pytest.mark.parametrize(
    ("error", "fits"),
    [
        (frames.refusal(errors.SessionPaused("x"), "an-id"), "error.json"),
        (frames.refusal(errors.Unavailable("x"), "an-id"), "error.json"),
        (frames.refusal(errors.RateLimited(timedelta(milliseconds=1)), "an-id"), "error.json"),
        (frames.refusal(errors.NotAllowed("publish", "viewer"), "an-id"), "error.json"),
        (frames.refusal(ValueError(), "an-id"), "error.json"),
        (frames.replying(frames.refusal(errors.InvalidRequest("x"), "an-id"), 7), "error.json"),
        (frames.closing(errors.TokenExpired("x"), "an-id"), "closing.json"),
        (frames.closing(errors.ConnectionNotFound("x"), "an-id"), "closing.json"),
        (frames.closing(errors.Kicked("x"), "an-id"), "closing.json"),
        (frames.closing(errors.Replaced("x"), "an-id"), "closing.json"),
        (frames.closing(errors.TooFast("x", timedelta(seconds=4)), "an-id"), "closing.json"),
    ],
)
def test_a_refusal_fits_as_a_frame(error: frames.Frame, fits: str) -> None:
    assert problems(fits, error) == []
