"""A thousand people in one session, on the server that `make serve` starts."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import TYPE_CHECKING

import jwt
import pytest

from tests.processes import ROOT, Served, sessionplugin_serve

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

pytestmark = [pytest.mark.process, pytest.mark.sockets, pytest.mark.slow]

SOCKETS = 1_000
PUBLISHES = 5
AT_ONCE = 32  # handshakes under way at the same time
MEMORY = 400_000_000


def new_session(served: Served) -> str:
    headers = {"Authorization": f"Bearer {served.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{served.http}/sessions", b"{}", headers)  # noqa: S310  a loopback URL
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  the same
        session_id: str = json.loads(answer.read())["sessionId"]
        return session_id


async def join_all(served: Served, session_id: str) -> list[ClientConnection]:
    from websockets.asyncio.client import connect  # late: a unit run collects this file

    gate = asyncio.Semaphore(AT_ONCE)
    url = f"{served.websocket}?sessionId={session_id}"

    async def join(token: str) -> ClientConnection:
        bearer = {"Authorization": f"Bearer {token}"}
        async with gate:
            return await connect(url, additional_headers=bearer, compression=None, ping_interval=None, open_timeout=60)

    return await asyncio.gather(*(join(token_of(served, f"guest {number}")) for number in range(SOCKETS)))


def token_of(served: Served, subject: str) -> str:
    """The server's token, made out to another subject with the key of this checkout."""
    claims = jwt.decode(served.token, options={"verify_signature": False})
    key = (ROOT / ".chalice" / "local" / "key").read_text().strip()
    return jwt.encode({**claims, "sub": subject}, key, "HS256")


async def lived(served: Served) -> None:
    session_id = await asyncio.to_thread(new_session, served)
    publisher, *others = await join_all(served, session_id)
    try:
        numbers = range(1, PUBLISHES + 2)  # the last one shows that nothing came after the others
        for number in numbers:
            await publisher.send(json.dumps({"action": "publish", "data": number}))
            ack = json.loads(await asyncio.wait_for(publisher.recv(), 60))
            assert ack == {"type": "ack", "seq": number, "version": 1, "sent": SOCKETS - 1, "missed": 0}
        for other in others:
            heard = [json.loads(await asyncio.wait_for(other.recv(), 30)) for _ in numbers]
            assert [(frame["seq"], frame["data"]) for frame in heard] == [(n, n) for n in numbers]
        await publisher.send(json.dumps({"action": "ping"}))
        pong = {"type": "pong", "seq": PUBLISHES + 1, "version": 1}
        assert json.loads(await asyncio.wait_for(publisher.recv(), 30)) == pong, "it never hears itself"
        assert served.resident_bytes() < MEMORY
    finally:  # the server is killed next, so that its thousand disconnects need not be waited for
        for socket in (publisher, *others):
            socket.transport.abort()
        await asyncio.gather(*(socket.wait_closed() for socket in (publisher, *others)))


def test_a_publish_reaches_all_others_once_and_in_order() -> None:
    with sessionplugin_serve() as served:
        asyncio.run(lived(served))
