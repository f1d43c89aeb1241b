"""A transport has four verbs and three attributes, in process, on sockets and with a deployed stage alike."""

from __future__ import annotations

import inspect

import pytest

from pytest_sessionplugin.gateway.client.inprocess import InProcess
from pytest_sessionplugin.gateway.client.transport import Refused, Transport, target_of, url_of
from pytest_sessionplugin.gateway.values import Reply

VERBS = {"request", "connect", "settle", "close"}


def test_it_has_four_verbs() -> None:
    assert {name for name in vars(Transport) if not name.startswith("_")} == {*VERBS, "urls", "base_urls", "patience"}


def of_sockets() -> type:
    from pytest_sessionplugin.gateway.client.sockets import SocketTransport

    return SocketTransport


def of_a_stage() -> type:
    from pytest_sessionplugin.gateway.client.deployed import Remote

    return Remote


@pytest.mark.parametrize("find", [lambda: InProcess, of_sockets, of_a_stage], ids=["process", "sockets", "stage"])
def test_each_takes_what_the_protocol_says(find: type) -> None:
    kind = find()
    for verb in VERBS:
        ours, theirs = (inspect.signature(getattr(each, verb)) for each in (kind, Transport))
        assert list(ours.parameters) == list(theirs.parameters), verb


def test_a_refusal_has_the_reply() -> None:
    refused = Refused(Reply(403))
    assert str(refused) == "the handshake was refused with status 403"
    assert refused.reply == Reply(403)


BASES = ["https://rest.example/api", "http://127.0.0.1:8000"]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("target", ["/", "/rooms", "/rooms/a%2Fb?x=1&y=%20", "/?x"])
def test_a_url_has_a_target_and_a_target_has_a_url(base: str, target: str) -> None:
    assert url_of(base, target) == base + target
    assert target_of(base, url_of(base, target)) == target
    assert target_of(base, f"{url_of(base, target)}#fragment".replace("://", "://me:secret@")) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://rest.example/api/rooms",
        "https://rest.example:8443/api/rooms",
        "https://rest.example/apis",
        "https://rest.example/",
        "https://rest.example.org/api/rooms",
        "https://rest.example@other.example/api/rooms",
    ],
)
def test_a_url_elsewhere_has_no_target(url: str) -> None:
    assert target_of("https://rest.example/api", url) is None
