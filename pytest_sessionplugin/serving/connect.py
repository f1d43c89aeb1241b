"""A WebSocket client for a terminal: sends each line that is typed, prints each frame that arrives."""

from __future__ import annotations

import threading
from typing import TextIO
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.gateway.redaction import RedactedText, redacted


def talk(
    url: str,
    token: str | None,
    typed: TextIO,
    out: TextIO,
    receive: int | None = None,
    *,
    ticket: str | None = None,
    wait: float = 1.0,
) -> bool:
    """Returns when `receive` frames have arrived, or the socket is closed, or the input has ended.

    A terminal's input ends at once. Other input ends before its answers arrive: then no frame may come for `wait`
    seconds. False if the other end closed the socket for a reason other than that it was done or is leaving, or if it
    broke. Raises SessionPluginError if the handshake is refused, the host cannot be reached, a line is not UTF-8, or
    fewer than `receive` frames have arrived.
    """
    if token and not (token.isascii() and token.isprintable()):
        raise SessionPluginError("the token has a character that no header may have, such as the end of a line.")
    if ticket is not None:
        url = _with_ticket(url, ticket)
    headers, shown = {"Authorization": f"Bearer {RedactedText(token)}"} if token else {}, redacted(url)
    try:
        websocket = connect(url, additional_headers=headers, compression=None)
    except InvalidStatus as error:
        body = (error.response.body or b"").decode(errors="replace")
        raise SessionPluginError(
            f"{shown} was refused: {error.response.status_code} {redacted(body)}".rstrip()
        ) from error
    except OSError as error:
        sentence = f"{shown} cannot be reached: {error.strerror or error}."
        raise SessionPluginError(f"{sentence} `sessionplugin serve` prints the URLs that it serves.") from error
    except WebSocketException as error:
        raise SessionPluginError(f"{shown} cannot be opened: {redacted(str(error))}.") from error
    count, is_well, sender = 0, True, Sender(websocket, typed, wait)
    with websocket:
        sender.start()
        try:
            for message in websocket:
                count += 1
                print("<", message, file=out, flush=True)
                sender.hear()
                if count == receive:
                    return True
        except ConnectionClosed:  # with a code that says that something went wrong
            is_well = sender.has_left
        finally:
            sender.stop()
        if not sender.has_left:
            told = redacted(f"closed: {websocket.close_code} {websocket.close_reason}")
            print(told.rstrip(), file=out, flush=True)
    if sender.has_stumbled:
        raise SessionPluginError(
            "a line of the input is not UTF-8, as a message must be: those after it were not sent."
        )
    if receive is not None:
        why = f"then none for {wait:g} s; --wait waits longer" if sender.has_left else "then the socket was closed"
        raise SessionPluginError(f"{count} of {receive} frames arrived, {why}.")
    return is_well


def _with_ticket(url: str, ticket: str) -> str:
    """The URL with the ticket in its query.

    A subprotocol would do only for apps that choose one: a browser drops a socket whose offers found no answer.
    """
    if not ticket:
        raise SessionPluginError("the ticket is empty.")
    parts = urlsplit(url)
    if "ticket" in parse_qs(parts.query, keep_blank_values=True):
        raise SessionPluginError("the URL has a ticket already: leave it out there, or leave out --ticket.")
    own = f"ticket={quote(RedactedText(ticket), safe='')}"
    return urlunsplit(parts._replace(query=f"{parts.query}&{own}" if parts.query else own))


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
