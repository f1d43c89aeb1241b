"""A client that can break every rule: bytes out, bytes in, on a blocking socket with a timeout."""

from __future__ import annotations

import base64
import os
import socket
import struct
from types import TracebackType
from urllib.parse import urlsplit

SECONDS = 10.0
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}  # of a URL without a port


class Wire:
    def __init__(self, url: str, receive_buffer: int | None = None) -> None:
        address = urlsplit(url)
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._read = bytearray()
        try:
            self.socket.connect((address.hostname, address.port or PORTS[address.scheme]))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def hang_up(self) -> None:
        """Closes our direction; the other one stays open."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Cuts the connection without a close."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, size: int) -> bytes:
        """Exactly this many bytes; fewer if the server closes."""
        while len(self._read) < size and (data := self.socket.recv(1_000_000)):
            self._read += data
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken

    def _peek(self, size: int) -> bytes:
        taken = self.read(size)
        assert len(taken) == size, "the server hung up"
        self._read[:0] = taken
        return taken

    def rest(self) -> bytes:
        """All bytes until the server closes."""
        return self.read(1 << 40)

    # --- HTTP

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of an answer, names in lower case."""
        raw = bytearray()
        while not raw.endswith(b"\r\n\r\n"):
            byte = self.read(1)
            assert byte, f"the server hung up after {bytes(raw)!r}"
            raw += byte
        first, *lines = raw.decode("latin-1").strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def answer(self) -> tuple[int, bytes]:
        """Status and body of an answer."""
        status, headers = self.head()
        return status, self.read(int(headers.get("content-length", "0")))

    # --- WebSocket

    def ask_to_upgrade(self, target: str = "/", *more: str, host: str = "x") -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *more,
        ]
        self.send("\r\n".join(lines) + "\r\n\r\n")

    def open(self, target: str = "/") -> Wire:
        self.ask_to_upgrade(target)
        assert self.head()[0] == 101
        return self

    def frame(self, payload: bytes, opcode: int = 1, *, fin: bool = True, mask: bool = True, bits: int = 0) -> None:
        self.send(frame(payload, opcode, fin=fin, mask=mask, bits=bits))

    def receive(self) -> tuple[int, bytes]:
        """Opcode and payload of a frame from the server."""
        first, second = self.read(2)
        assert second < 128, "a server does not mask"
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", self.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.read(8))
        return first & 15, self.read(size)

    def receive_message(self) -> tuple[int, bytes]:
        """Opcode and payload of a control frame, or of a message with its fragments joined."""
        kind, payload, fin = 0, b"", False
        while not fin:
            fin = self._peek(1)[0] >= 128
            opcode, piece = self.receive()
            if opcode >= 8:
                return opcode, piece
            kind, payload = kind or opcode, payload + piece
        return kind, payload

    def closed(self) -> int:
        """The code of the next frame, a close frame."""
        opcode, payload = self.receive()
        assert opcode == 8, (opcode, payload)
        return int(struct.unpack("!H", payload[:2])[0])


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True, mask: bool = True, bits: int = 0) -> bytes:
    head = bytes([(fin << 7) | (bits << 4) | opcode])
    flag = mask << 7
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([flag | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", len(payload))
    return head + (b"\0\0\0\0" if mask else b"") + payload  # a mask of zeros changes nothing
