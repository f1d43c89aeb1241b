"""A terminal at a WebSocket: lines in, frames out, and one sentence for everything that goes wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.serving.connect import talk
from tests.gateway.app import API, App
from tests.gateway.gateways import on_sockets

pytestmark = pytest.mark.sockets


class Terminal(io.StringIO):
    """An input that stays open after its lines, as a terminal does, and does not count as one that was closed."""

    def isatty(self) -> bool:
        return False


@pytest.fixture
def url() -> Iterator[str]:
    app = App()
    with on_sockets(API, app) as app.gateway:
        assert app.gateway.urls is not None
        yield app.gateway.urls.websocket


def test_each_line_is_sent_and_each_frame_printed(url: str) -> None:
    out = io.StringIO()
    talk(url, None, Terminal("echo hello\n\necho world\n"), out, receive=2)
    assert sorted(out.getvalue().splitlines()) == ["< hello", "< world"]  # two handlers may run at once


def test_a_refused_handshake_is_a_sentence_with_its_status(url: str) -> None:
    with pytest.raises(SessionPluginError, match="was refused: 403"):
        talk(f"{url}/?status=403", None, Terminal(), io.StringIO())


def test_a_port_that_nobody_listens_on_is_a_sentence(url: str) -> None:
    with pytest.raises(SessionPluginError, match="cannot be reached"):
        talk("ws://127.0.0.1:9", None, Terminal(), io.StringIO())
