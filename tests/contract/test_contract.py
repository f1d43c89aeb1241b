"""The trace of a test is held to the contract: exchanges, handshakes, and frames in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.contract.contract import Contract
from pytest_sessionplugin.contract.coverage import Coverage
from pytest_sessionplugin.gateway.values import (
    Accept,
    Close,
    Closed,
    Handshake,
    Message,
    Refuse,
    Reply,
    Request,
    Respond,
    Send,
)
from tests.contract.files import CHAT, ROOMS, opened, traced

HELLO, WELCOME, NO = '{"action":"hello"}', '{"type":"welcome","pair":[]}', '{"no":true}'


class Held:
    """A contract of both kinds, and what a run has seen of it."""

    def __init__(self, folder: Path) -> None:
        opened(folder, ROOMS, "rooms.yaml")
        opened(folder, CHAT, "chat.yaml")
        self.coverage = Coverage()
        files = {"openapi": folder / "rooms.yaml", "asyncapi": folder / "chat.yaml"}
        self._contract = Contract.read(files, folder, self.coverage)

    def told(self, *crossed: Any) -> list[tuple[float, str]]:
        found = self._contract.check(traced(*crossed), "api", emulated=True)
        return [(each.seen.at, each.sentence) for each in found]


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


def test_an_answer_is_held_to_the_operation_of_its_request(held: Held) -> None:
    lobby, rooms = Request("1", "GET", "/rooms/lobby"), Request("2", "GET", "/rooms/a")
    found = held.told(lobby, rooms, Respond("2", Reply(500)), Respond("1", Reply(200)))
    assert found == [(2.0, "GET /rooms/a answered 500, a status that the operation does not have")]
    assert held.coverage.files["rooms.yaml"].seen == {"GET /rooms/lobby 200"}


def test_a_frame_of_the_app_that_is_no_message_is_told(held: Held) -> None:
    found = held.told(Send("a", WELCOME), Send("a", '{"type":"welcome"}'), Send("b", WELCOME))
    assert found == [(1.0, "the app sent a frame, and it is not the message `welcome`: 'pair' is a required property")]
    assert held.coverage.files["chat.yaml"].seen == {"send welcome"}


def test_a_frame_of_a_client_that_is_no_message_has_to_be_refused(held: Held) -> None:
    [(at, sentence)] = held.told(Message("a", HELLO), Message("a", "{}"), Send("a", WELCOME), Send("b", NO))
    assert at == 1.0
    assert (
        sentence == "a client sent a frame that was not refused, "
        "and it is not the message `hello`: 'action' is a required property"
    )
    assert held.coverage.files["chat.yaml"].seen == {"receive hello", "send welcome", "send refused"}


@pytest.mark.parametrize("refusal", [Send("a", NO), Close("a", 1003)])
def test_a_refusal_or_a_close_answers_it(held: Held, refusal: Any) -> None:
    assert held.told(Message("a", b"x"), refusal) == []


def test_each_refusal_answers_one_frame(held: Held) -> None:
    assert [at for at, _ in held.told(Message("a", "1"), Message("a", "2"), Send("a", NO))] == [1.0]
    assert [at for at, _ in held.told(Send("a", NO), Message("a", "1"), Closed("a", 1000))] == [1.0]


def test_an_accepted_handshake_is_held_and_a_refused_one_is_not(held: Held) -> None:
    found = held.told(Handshake("a"), Handshake("b"), Refuse("b", Reply(401)), Accept("a"))
    assert found == [(0.0, "a handshake was accepted with query off the contract: 'room' is a required property")]


def test_deviations_come_in_the_order_of_the_trace(held: Held) -> None:
    crossed = Message("a", "1"), Request("1", "GET", "/x"), Send("a", "1"), Respond("1", Reply(200))
    assert [at for at, _ in held.told(*crossed)] == [0.0, 2.0, 3.0]


def test_either_kind_will_do(tmp_path: Path) -> None:
    coverage, crossed = Coverage(), (Request("1", "GET", "/x"), Respond("1", Reply(200)), Send("a", "x"))
    opened(tmp_path, CHAT)
    frames = Contract.read({"asyncapi": tmp_path / "api.yaml"}, tmp_path, coverage)
    assert [each.seen.at for each in frames.check(traced(*crossed), "api", emulated=True)] == [2.0]
    opened(tmp_path, ROOMS)
    answers = Contract.read({"openapi": tmp_path / "api.yaml"}, tmp_path, Coverage())
    assert [each.seen.at for each in answers.check(traced(*crossed), "api", emulated=True)] == [1.0]
