"""A WebSocket client for a terminal: sends each line that is typed, prints each frame that arrives."""

from __future__ import annotations

import threading
from typing import TextIO

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from pytest_sessionplugin.errors import SessionPluginError


def talk(url: str, token: str | None, typed: TextIO, out: TextIO, receive: int | None = None) -> None:
    """Returns when the socket is closed, a terminal's input ends, or `receive` frames have arrived.

    Raises SessionPluginError if the handshake is refused or the host cannot be reached.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        websocket = connect(url, additional_headers=headers, compression=None)
    except InvalidStatus as error:
        body = (error.response.body or b"").decode(errors="replace")
        raise SessionPluginError(f"{url} was refused: {error.response.status_code} {body}".rstrip()) from error
    except OSError as error:
        raise SessionPluginError(f"{url} cannot be reached: {error.strerror or error}.") from error
    except WebSocketException as error:
        raise SessionPluginError(f"{url} cannot be opened: {error}.") from error
    with websocket:
        threading.Thread(target=_send, args=(websocket, typed), daemon=True).start()
        for number, message in enumerate(websocket, start=1):
            print("<", message, file=out, flush=True)
            if number == receive:
                return
        print(f"closed: {websocket.close_code} {websocket.close_reason}".rstrip(), file=out, flush=True)


def _send(websocket: ClientConnection, typed: TextIO) -> None:
    try:
        for line in iter(typed.readline, ""):
            if line.strip():
                websocket.send(line.rstrip("\n"))
    except ConnectionClosed:
        return
    if typed.isatty():  # Ctrl-D; a pipe ends before its answers arrive
        websocket.close()
