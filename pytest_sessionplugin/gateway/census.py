"""How much of each kind is open and runs in a server, at one moment. Counts nothing itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Census:
    """With nobody connected and no handler running, all of it is 0 but `workers`."""

    lines: int  # TCP connections, those that are arriving included
    requests: int  # HTTP requests that wait for their answer
    handshakes: int  # that wait for $connect
    connections: int  # WebSockets that are open on the wire
    known: int  # connections that the gateway's core knows
    peers: int  # addresses of clients that are kept
    invocations: int  # handlers that run
    tasks: int  # of the event loop
    workers: int  # threads, busy or kept for the next handler
