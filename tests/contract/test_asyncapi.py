"""Frames are held against the messages of their direction, and accepted handshakes against the binding."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sessionplugin.contract.asyncapi import AsyncApi
from pytest_sessionplugin.errors import ContractError
from pytest_sessionplugin.gateway.values import Handshake
from tests.contract.files import CHAT, opened


@pytest.fixture
def chat(tmp_path: Path) -> AsyncApi:
    return AsyncApi(opened(tmp_path, CHAT))


@pytest.mark.parametrize(
    ("action", "data", "name"),
    [
        ("receive", '{"action":"hello"}', "hello"),
        ("send", '{"action":"hello"}', None),  # of the other direction
        ("receive", '{"type":"welcome","pair":[1]}', None),
        ("send", '{"type":"welcome","pair":[1]}', "welcome"),  # a reply
        ("send", '{"no":true}', "refused"),
        ("send", "note: later", "note"),  # text
        ("receive", b'{"action":"hello"}', None),
    ],
)
def test_a_frame_is_a_message_of_its_direction(
    chat: AsyncApi, action: str, data: str | bytes, name: str | None
) -> None:
    found = chat.fitting(action, data)
    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("action", "data", "sentence", "place"),
    [
        (
            "send",
            '{"type":"welcome","pair":["x"]}',
            "and it is not the message `welcome` at /pair/0: 'x' is not of type 'integer'",
            "api.yaml#/components/messages/welcome/payload/schema/properties/pair/prefixItems/0/type",
        ),
        # `note`, which API Gateway alone sends, would be closer.
        ("send", '{"no": 1, "type": 1}', "and it is not one of the messages welcome, refused", "api.yaml#/operations"),
        ("receive", "{", "and it is not the message `hello`: it is not JSON", "api.yaml#/components/messages/hello"),
        ("receive", b"x", "and it is not the message `hello`: it is binary", "api.yaml#/components/messages/hello"),
        (
            "receive",
            '{"action":"bye"}',
            "and it is not the message `hello` at /action: 'hello' was expected",
            "api.yaml#/components/messages/hello/payload/properties/action/const",
        ),
    ],
)
def test_why_a_frame_is_no_message_is_told_by_the_closest(
    chat: AsyncApi, action: str, data: str | bytes, sentence: str, place: str
) -> None:
    assert chat.wrong(action, data) == (sentence, place)


def test_a_frame_with_a_constant_of_no_message_is_none_of_them(tmp_path: Path) -> None:
    messages = "".join(f"{name}: {{payload: {{properties: {{type: {{const: {name}}}}}}}}}, " for name in ("a", "b"))
    chat = AsyncApi(opened(tmp_path, f"{{asyncapi: 3.0.0, channels: {{room: {{messages: {{{messages}}}}}}}}}"))
    assert chat.wrong("send", '{"type":"c"}') == ("and it is not one of the messages a, b", "api.yaml#/operations")
    assert chat.fitting("receive", '{"type":"a"}') is chat.fitting("send", '{"type":"a"}')


@pytest.mark.parametrize(
    ("query", "headers", "sentence"),
    [
        ("room=a&depth=2", (), None),
        ("room=a", (("authorization", "Bearer x"), ("Host", "here")), None),
        ("depth=2", (), "with query off the contract: 'room' is a required property"),
        ("room=a&depth=x", (), "with query at /depth off the contract: 'x' is not of type 'integer'"),
        ("room=a&more=1", (), "with query off the contract: Additional properties are not allowed"),
        ("room=a", (("Authorization", "Basic x"),), "with headers at /Authorization off the contract: the value does"),
    ],
)
def test_an_accepted_handshake_has_query_and_headers_of_the_binding(
    chat: AsyncApi, query: str, headers: tuple[tuple[str, str], ...], sentence: str | None
) -> None:
    found = chat.wrong_handshake(Handshake("1", "/", query, headers))
    assert (found is None) if sentence is None else (found is not None and found[0].startswith(sentence))


def test_every_message_is_expected_but_those_of_somebody_else(chat: AsyncApi) -> None:
    assert dict(chat.expected()) == {
        "receive hello": "",
        "send welcome": "",
        "send refused": "",
        "send note": "API Gateway",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("asyncapi: 2.6.0", "api.yaml#: `asyncapi` must be a version 3.0 or newer; the file has `asyncapi: 2.6.0`."),
        ("asyncapi: 3.0.0", "api.yaml#: it has no messages: neither in `operations` nor in `channels`."),
        ("{asyncapi: 3.0.0, operations: {a: {action: talk}}}", "api.yaml#/operations/a: `action` must be receive or s"),
        ("{asyncapi: 3.0.0, operations: {a: {action: send}}}", "api.yaml#/operations/a: it has no `channel`."),
    ],
)
def test_a_file_that_is_not_asyncapi_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ContractError) as raised:
        AsyncApi(opened(tmp_path, text))
    assert str(raised.value).startswith(sentence)


def test_a_payload_in_another_format_than_json_schema_is_told(tmp_path: Path) -> None:
    text = CHAT.replace("application/schema+json;version=draft-2020-12", "application/vnd.apache.avro;version=1.9.0")
    with pytest.raises(ContractError, match=r"schemaFormat application/vnd.apache.avro;version=1.9.0 is not JSON"):
        AsyncApi(opened(tmp_path, text)).fitting("send", "{}")
