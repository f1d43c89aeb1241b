"""Five thousand idle sockets on `sessionplugin serve`, and the time of a publish to nine of them.

The clients live in this process and each needs an open file, so the soft limit of open files is raised.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import time
from contextlib import AsyncExitStack

from websockets.asyncio.client import ClientConnection

from bench.figures import Effort, Figure, progress
from bench.soak.place import Place
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.serving.serve import tokens_of
from tests.processes import ROOT, Served, sessionplugin_serve

SOCKETS = 5_000
TOGETHER = 10  # sockets in the session that is published to; the others share another session
PUBLISHES = 20
AT_ONCE = 32  # concurrent handshakes
SPARE = 200  # open files besides the sockets
MEMORY_TARGET = 600_000_000  # bytes
PUBLISH_TARGET = 100.0  # milliseconds


def measure(effort: Effort) -> Figure:
    count = effort.of(SOCKETS, 100)
    allow_files(count + SPARE)
    with tokens_of(Project(ROOT, "dev", ROOT)) as tokens, sessionplugin_serve() as served:
        median, resident = asyncio.run(crowd(Place(served.http, served.websocket, tokens), served, count))
    return Figure(
        f"publish to {TOGETHER - 1} others among {count:,} sockets",
        f"{median:.1f} ms, {resident / 1e6:.0f} MB",
        "-",
        f"< {PUBLISH_TARGET:.0f} ms, {MEMORY_TARGET / 1e6:.0f} MB",
        median < PUBLISH_TARGET and resident < MEMORY_TARGET,
    )


def allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(
            f"bench: the sockets need {count:,} open files and this shell allows {hard:,}: raise the hard "
            "limit (`ulimit -Hn` as root, LimitNOFILE= of the service, or --ulimit nofile= of the container)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


async def crowd(place: Place, served: Served, count: int) -> tuple[float, int]:
    """The median time in milliseconds until all others have a publish, and the bytes of memory of the server."""
    together, apart = await place.new_session(), await place.new_session()
    gate, joined = asyncio.Semaphore(AT_ONCE), 0

    async def join(session_id: str, number: int) -> ClientConnection:
        nonlocal joined
        async with gate:
            socket = await place.join(session_id, f"guest-{number}")  # a subject has few connections in a session
        joined += 1
        if joined % 100 == 0:
            progress(f"{joined:,} of {count:,} sockets")
        return socket

    async with AsyncExitStack() as stack:
        stack.callback(served.process.kill)  # else each socket would close in turn, which takes long
        idle = [join(apart, number) for number in range(count - TOGETHER)]
        sockets = await asyncio.gather(*(join(together, number) for number in range(TOGETHER)), *idle)
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
        for socket in (*others, *rest[:: max(1, len(rest) // 50)]):  # each message came once, and only to the session
            await socket.send(json.dumps({"action": "ping"}))
            assert json.loads(await socket.recv())["type"] == "pong"
        assert all(socket.state.name == "OPEN" for socket in sockets), "the server closed a socket"
        return statistics.median(taken), served.resident_bytes()
