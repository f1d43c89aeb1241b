"""Five thousand idle sockets on `sessionplugin serve`, and one publish among them.

The clients are in this process, which needs a file for each: the soft limit is raised as far as the hard one lets it.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import time
from contextlib import AsyncExitStack

from websockets.asyncio.client import ClientConnection

from bench.figures import Figure, progress
from bench.soak.place import Place
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.serving.serve import tokens_of
from tests.processes import ROOT, Served, sessionplugin_serve

SOCKETS = 5_000
TOGETHER = 10  # of them in the session where somebody publishes; the others in one of their own
PUBLISHES = 20
AT_ONCE = 32  # handshakes under way at the same time
SPARE = 200  # files besides the sockets
MEMORY_ASKED = 600_000_000  # bytes
PUBLISH_ASKED = 100.0  # milliseconds


def measure() -> Figure:
    allow_files(SOCKETS + SPARE)
    with tokens_of(Project(ROOT, "dev", ROOT)) as tokens, sessionplugin_serve() as served:
        median, resident = asyncio.run(crowd(Place(served.http, served.websocket, tokens), served))
    return Figure(
        f"publish to {TOGETHER - 1} others among {SOCKETS:,} sockets",
        f"{median:.1f} ms, {resident / 1e6:.0f} MB",
        "-",
        f"< {PUBLISH_ASKED:.0f} ms, {MEMORY_ASKED / 1e6:.0f} MB",
        median < PUBLISH_ASKED and resident < MEMORY_ASKED,
    )


def allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(
            f"bench: {SOCKETS:,} sockets need {count:,} open files and this shell allows {hard:,}: raise the hard "
            "limit (`ulimit -Hn` as root, LimitNOFILE= of the service, or --ulimit nofile= of the container)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


async def crowd(place: Place, served: Served) -> tuple[float, int]:
    """The median time of a publish until all others have it, and the memory of the server."""
    together, apart = await place.new_session(), await place.new_session()
    gate, joined = asyncio.Semaphore(AT_ONCE), 0

    async def join(session_id: str) -> ClientConnection:
        nonlocal joined
        async with gate:
            socket = await place.join(session_id)
        joined += 1
        if joined % 100 == 0:
            progress(f"{joined:,} of {SOCKETS:,} sockets")
        return socket

    async with AsyncExitStack() as stack:
        stack.callback(served.process.kill)  # first the members would take leave one by one, which nobody measures
        idle = [join(apart) for _ in range(SOCKETS - TOGETHER)]
        sockets = await asyncio.gather(*(join(together) for _ in range(TOGETHER)), *idle)
        (publisher, *others), rest = sockets[:TOGETHER], sockets[TOGETHER:]
        taken = []
        for number in range(1, PUBLISHES + 1):
            began = time.perf_counter()
            await publisher.send(json.dumps({"action": "publish", "data": number}))
            heard = [json.loads(frame) for frame in await asyncio.gather(*(other.recv() for other in others))]
            taken.append((time.perf_counter() - began) * 1000)
            assert [(frame["type"], frame["data"]) for frame in heard] == [("message", number)] * len(others)
            ack = json.loads(await publisher.recv())
            assert (ack["type"], ack["seq"]) == ("ack", number)
        for socket in (*others, *rest[:: len(rest) // 50]):  # each message came once, and to nobody else
            await socket.send(json.dumps({"action": "ping"}))
            assert json.loads(await socket.recv()) == {"type": "pong"}
        assert all(socket.state.name == "OPEN" for socket in sockets), "a socket was not held"
        return statistics.median(taken), served.resident_bytes()
