"""The actions of a soak's clients, good and bad. Each connects, acts, checks the answers and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket as sockets
import struct
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bench.soak.place import PATIENCE, Place, expect, receive, receive_until, send
from pytest_sessionplugin.tokens import bad

Action = Callable[[Place, Random], Awaitable[None]]

OVER = (403, 404, 410)  # statuses of a handshake to a session that another client has ended
FLAWS = ("expired", "not yet valid", "wrong issuer", "wrong key", "alg none", "tampered", "without exp", "garbage")


async def converse(place: Place, random: Random) -> None:
    """In a session of its own: each message reaches each other member once, in order, and the end reaches all."""
    session_id, count = await place.new_session(), random.randint(1, 5)
    async with AsyncExitStack() as stack:
        members = []
        for number in range(random.randint(2, 6)):
            members.append(await place.join(session_id, f"guest-{number}"))
            stack.push_async_callback(members[-1].close)
        publisher, *others = members
        for number in range(1, count + 1):
            await send(publisher, action="publish", data=number)
            ack = await receive(publisher)
            expect((ack["type"], ack.get("seq")) == ("ack", number), f"publish {number} was answered {ack}")
        await place.end(session_id)
        for other in others:
            for number in range(1, count + 1):
                heard = await receive(other)
                expect((heard["type"], heard.get("data")) == ("message", number), f"not message {number}: {heard}")
        for member in members:
            told = await receive(member)
            expect(told["type"] == "session.ended", f"{told} came instead of the end")
            await _closed(member, 1000)


async def visit(place: Place, random: Random) -> None:
    """Joins a shared session, which another client may end at any time."""
    with contextlib.suppress(ConnectionClosed):
        member = await _joined(place, random)
        if member is None:
            return
        async with member:
            await send(member, action="hello")
            await receive_until(member, "welcome")
            for _ in range(random.randint(0, 4)):
                await send(member, action="publish", data="x" * random.choice((1, 100, 10_000)))
                answer = await receive_until(member, "ack", "error")
                expect(
                    answer.get("code") in (None, "rate_limited", "session_ended"), f"a publish was answered {answer}"
                )
                await asyncio.sleep(random.uniform(0, 0.2))


async def stay(place: Place, random: Random) -> None:
    """Reads for a while, then leaves with a close frame or without one."""
    with contextlib.suppress(ConnectionClosed):
        member = await _joined(place, random)
        if member is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_listen(member), random.uniform(0, 3))
        if random.random() < 0.5:
            await member.close()
        else:
            _drop(member, random)


async def drop(place: Place, random: Random) -> None:
    """Leaves in the middle of a publish, by a FIN or by a RST."""
    member = await _joined(place, random)
    if member is not None:
        with contextlib.suppress(ConnectionClosed):
            await send(member, action="publish", data="and gone")
        _drop(member, random)


async def leave_early(place: Place, random: Random) -> None:
    """Leaves while $connect runs."""
    async with place.line(place.websocket) as (_, writer):
        writer.write(place.handshake(place.somewhere(random)))
        await asyncio.sleep(random.uniform(0, 0.02))


async def half_open(place: Place, random: Random) -> None:
    """Sends half a handshake to either port, waits, and leaves."""
    url = random.choice((place.websocket, place.http))
    whole = place.handshake(place.somewhere(random))
    async with place.line(url) as (_, writer):
        writer.write(whole[: random.randrange(len(whole) - 4)])
        await asyncio.sleep(random.uniform(0, 3))


async def half_a_body(place: Place, random: Random) -> None:
    async with place.line(place.http) as (_, writer):
        writer.write(
            b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * random.randint(0, 999)
        )
        await asyncio.sleep(random.uniform(0, 2))


async def leave_unanswered(place: Place, random: Random) -> None:
    """Sends HTTP requests and leaves without waiting for the answers."""
    async with place.line(place.http) as (_, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * random.randint(1, 20))
        await asyncio.sleep(random.uniform(0, 0.01))


async def garbage(place: Place, random: Random) -> None:
    url = random.choice((place.websocket, place.http))
    async with place.line(url) as (reader, writer):
        writer.write(random.randbytes(random.randint(1, 2_000)).replace(b"\n", b"") + b"\r\n\r\n")
        writer.write_eof()
        answer = await _rest(reader)
        expect(not answer or answer.startswith(b"HTTP/1.1 4"), f"garbage was answered {answer[:200]!r}")


async def bad_token(place: Place, random: Random) -> None:
    token, session_id = bad.make(random.choice(FLAWS), place.tokens), place.somewhere(random)
    status, _ = await place.call("GET", f"/sessions/{session_id}", token=token)
    expect(status == 401, f"HTTP took a token that is {token.flaw}: {status}")
    status = await _refused(place, session_id, token)
    expect(status == 401, f"a handshake took a token that is {token.flaw}: {status}")


async def unknown_session(place: Place, random: Random) -> None:
    status = await _refused(place, "".join(random.choices("abcdefgh", k=22)), place.tokens("guest"))
    expect(status in OVER, f"a session that does not exist: {status}")


async def update(place: Place, random: Random) -> None:
    status, answer = await place.call("PATCH", f"/sessions/{place.somewhere(random)}", {"title": f"{random.random()}"})
    expect(status in (200, 409), f"an update was answered {status} {answer}")


async def end(place: Place, random: Random) -> None:
    """Ends a shared session and replaces it with a new one."""
    begun = await place.new_session()
    number = random.randrange(len(place.sessions))
    ended, place.sessions[number] = place.sessions[number], begun
    await place.end(ended)


async def too_big(place: Place, random: Random) -> None:
    """Sends a frame that closes the connection, and expects the right close code."""
    code, frame = random.choice(
        (
            (1009, _frame(0x81, b'"' + b"x" * 32_768 + b'"')),
            (1009, _frame(0x01, b"x" * 30_000) + _frame(0x00, b"x" * 30_000) * 3 + _frame(0x80, b"x" * 30_000)),
            (1003, _frame(0x82, b"binary")),
            (1007, _frame(0x81, b"\xff\xfe")),
            (1002, bytes([0x81, 5]) + b"hello"),  # unmasked
            (1002, _frame(0xF1, b"with reserved bits")),
        )
    )
    session_id = await place.new_session()
    async with place.line(place.websocket) as (reader, writer):
        writer.write(place.handshake(session_id))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        expect(head.startswith(b"HTTP/1.1 101 "), f"a handshake was refused: {head[:100]!r}")
        writer.write(frame)
        answer = await _rest(reader)
        closed = struct.unpack("!H", answer[2:4])[0] if answer[:1] == b"\x88" and len(answer) >= 4 else answer[:50]
        expect(closed == code, f"a frame that must close with {code} got {closed!r}")
    await place.end(session_id)


async def nonsense(place: Place, random: Random) -> None:
    """Sends texts that the service does not understand. Each is answered, and the socket stays usable."""
    session_id = await place.new_session()
    async with await place.join(session_id) as member:
        for _ in range(random.randint(1, 5)):
            await member.send(random.choice(("", "x", "[]", "{}", '{"action":"dance"}', "\x00", "1e999", '"' * 1000)))
            answer = await receive(member)
            expect(answer["type"] == "error", f"nonsense was answered {answer}")
        await send(member, action="ping")
        expect((await receive(member))["type"] == "pong", "the socket is unusable after nonsense")
    await place.end(session_id)


async def read_slowly(place: Place, random: Random) -> None:
    """Stops reading for a while; then receives everything in order, or leaves."""
    session_id, count = await place.new_session(), random.randint(5, 20)  # more at once are too fast
    async with AsyncExitStack() as stack:
        slow = await place.join(session_id, "slow")
        stack.push_async_callback(slow.close)
        slow.transport.pause_reading()
        publisher = await stack.enter_async_context(await place.join(session_id, "fast"))
        for number in range(count):
            await send(publisher, action="publish", data=[number, "x" * 30_000])
            await receive_until(publisher, "ack")
        if random.random() < 0.3:
            slow.transport.abort()
        else:
            slow.transport.resume_reading()
            for number in range(count):
                heard = (await receive(slow)).get("data", [None])[0]
                expect(heard == number, f"a slow reader got message {heard} instead of {number}")
    await place.end(session_id)


async def invite(place: Place, random: Random) -> None:
    """In a session of its own: a guest comes in by a ticket, is spoken to, becomes a viewer, and is put out."""
    session_id, guest = await place.new_session(), f"guest:{random.randrange(10)}"
    of_guest = f"/sessions/{session_id}/participants?subject={guest}"
    status, answer = await place.call("POST", f"/sessions/{session_id}/tickets", {"subject": guest})
    expect(status == 201, f"a ticket was not issued: {status} {answer}")
    async with await place.enter(session_id, answer["protocols"]) as member:
        status, answer = await place.call("POST", f"/sessions/{session_id}/messages", {"data": 1, "to": guest})
        expect((status, answer) == (201, {"sent": 1, "missed": 0}), f"a message was answered {status} {answer}")
        expect((heard := await receive(member))["type"] == "direct", f"{heard} came instead of a message")
        status, answer = await place.call("PATCH", of_guest, {"role": "viewer"})
        expect(status == 200, f"a role was not given: {status} {answer}")
        expect((heard := await receive(member)).get("role") == "viewer", f"{heard} came instead of a role")
        status, answer = await place.call("DELETE", f"{of_guest}&ban={random.choice((0, 60))}")
        expect((status, answer.get("closed")) == (200, 1), f"a guest was not put out: {status} {answer}")
        expect((heard := await receive(member)).get("code") == "kicked", f"{heard} came instead of the end")
        await _closed(member, 1000)
    await place.end(session_id)


ACTIONS: dict[Action, int] = {
    converse: 6,
    invite: 6,
    visit: 20,
    stay: 20,
    drop: 10,
    leave_early: 8,
    half_open: 8,
    half_a_body: 3,
    leave_unanswered: 3,
    garbage: 4,
    bad_token: 6,
    unknown_session: 3,
    update: 8,
    end: 3,
    too_big: 6,
    nonsense: 4,
    read_slowly: 2,
}
"""The relative frequency of each action."""


async def _joined(place: Place, random: Random) -> ClientConnection | None:
    """A connection to a shared session; None if another client has ended the session."""
    try:
        return await place.join(place.somewhere(random), f"guest-{random.randrange(10)}")
    except InvalidStatus as refused:
        status = refused.response.status_code
        expect(status in OVER, f"a good handshake was refused with {status}")
        return None


async def _refused(place: Place, session_id: str, token: str) -> int:
    """The status of the refusal; 101 if the handshake succeeded."""
    try:
        async with await place.open(session_id, token):
            return 101
    except InvalidStatus as refused:
        return int(refused.response.status_code)


async def _listen(member: ClientConnection) -> None:
    while True:
        await member.recv()


def _drop(member: ClientConnection, random: Random) -> None:
    by_reset = random.random() < 0.5
    if by_reset and not member.transport.is_closing():  # else the server closed it first
        linger = struct.pack("ii", 1, 0)  # closing then sends a RST
        member.transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, linger)
    member.transport.abort()


async def _closed(member: ClientConnection, code: int) -> None:
    try:
        frame = await receive(member)
    except ConnectionClosed as closed:
        said = closed.rcvd.code if closed.rcvd else None
        expect(said == code, f"closed with {said}, not {code}")
    else:
        expect(False, f"{frame} came after the end")


async def _rest(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(), PATIENCE)
    return b""


def _frame(first: int, payload: bytes) -> bytes:
    """A masked frame, as clients send it."""
    mask = os.urandom(4)
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack("!H", size)
    return bytes([first]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
