"""A WebSocket client for a terminal: sends each line that is typed, prints each frame that arrives."""

from __future__ import annotations

import threading
from typing import TextIO

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.gateway.redaction import redacted


def talk(
    url: str, token: str | None, typed: TextIO, out: TextIO, receive: int | None = None, *, wait: float = 1.0
) -> None:
    """Returns when `receive` frames have arrived, or the socket is closed, or the input has ended.

    A terminal's input ends at once. Other input ends before its answers arrive: then no frame may come for `wait`
    seconds. Raises SessionPluginError if the handshake is refused, the host cannot be reached, a line is not UTF-8, or
    fewer than `receive` frames have arrived.
    """
    if token and not (token.isascii() and token.isprintable()):
        raise SessionPluginError("the token has a character that no header may have, such as the end of a line.")
    headers, shown = {"Authorization": f"Bearer {token}"} if token else {}, redacted(url)
    try:
        websocket = connect(url, additional_headers=headers, compression=None)
    except InvalidStatus as error:
        body = (error.response.body or b"").decode(errors="replace")
        raise SessionPluginError(f"{shown} was refused: {error.response.status_code} {body}".rstrip()) from error
    except OSError as error:
        sentence = f"{shown} cannot be reached: {error.strerror or error}."
        raise SessionPluginError(f"{sentence} `sessionplugin serve` prints the URLs that it serves.") from error
    except WebSocketException as error:
        raise SessionPluginError(f"{shown} cannot be opened: {redacted(str(error))}.") from error
    count, sender = 0, Sender(websocket, typed, wait)
    with websocket:
        sender.start()
        try:
            for message in websocket:
                count += 1
                print("<", message, file=out, flush=True)
                sender.hear()
                if count == receive:
                    return
        except ConnectionClosed:  # with a code that says that something went wrong
            pass
        finally:
            sender.stop()
        if not sender.has_left:
            print(f"closed: {websocket.close_code} {websocket.close_reason}".rstrip(), file=out, flush=True)
    if sender.has_stumbled:
        raise SessionPluginError(
            "a line of the input is not UTF-8, as a message must be: those after it were not sent."
        )
    if receive is not None:
        why = f"then none for {wait:g} s; --wait waits longer" if sender.has_left else "then the socket was closed"
        raise SessionPluginError(f"{count} of {receive} frames arrived, {why}.")


class Sender:
    """A thread that sends the lines of an input, and closes the socket when the input has ended."""

    def __init__(self, websocket: ClientConnection, typed: TextIO, wait: float) -> None:
        self._websocket, self._typed, self._wait = websocket, typed, wait
        self._has_heard = threading.Event()
        self._is_over = False
        self.has_left = False  # whether the socket was closed from here
        self.has_stumbled = False  # whether a line cannot be sent

    def start(self) -> None:
        threading.Thread(target=self.run, daemon=True).start()  # it may read from a terminal for ever

    def hear(self) -> None:
        """A frame has arrived, so the silence begins again."""
        self._has_heard.set()

    def stop(self) -> None:
        self._is_over = True
        self._has_heard.set()

    def run(self) -> None:
        try:
            for line in iter(self._typed.readline, ""):
                if line.strip():
                    line.encode()  # the socket would break
                    self._websocket.send(line.rstrip("\n"))
        except ConnectionClosed:
            return
        except UnicodeError:  # here, or while it was read
            self.has_stumbled = True
        while not self._is_over and not self._typed.isatty() and self._has_heard.wait(self._wait):
            self._has_heard.clear()
        if not self._is_over:
            self.has_left = True
            self._websocket.close()
