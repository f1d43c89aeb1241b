"""`python -m bench.soak --minutes 10 --seed N`: every kind of client against a server, and a search for leaks.

Fails if a client got a wrong answer, if the server keeps anything of its clients, if its memory has grown, or if its
log shows an error. Ctrl-C ends it without a verdict.

Memory is weighed after the warm-up and at the end. Both times no client is connected, and the sessions, which the
service keeps for days, are purged. Whatever the second weighing has more than the first has leaked.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from random import Random

from bench.figures import progress
from bench.soak.actions import ACTIONS
from bench.soak.place import Place
from bench.soak.subject import Look, Subject, Weight, subject
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.serving.serve import tokens_of
from tests.processes import ROOT

CLIENTS = 40
SESSIONS = 5
WARM_UP = 0.2  # of the time; threads, files and caches that exist by then may stay
QUIET = 90.0  # seconds until nothing of the clients may be left
PAUSE = 1.0
INTERRUPTED = 130
MORE_BLOCKS = 10_000  # for caches and threads; fewer than one for each action
MORE_RESIDENT = 1.25  # times as many bytes; freed memory seldom goes back to the system
SHOWN = 20  # problems
SUSPICIOUS = re.compile(r"Traceback|Exception|Error\b|ERROR|WARNING|Warning|failed:|never (retrieved|awaited)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="how long clients keep coming (default: %(default)g)"
    )
    parser.add_argument("--seed", type=int, help="repeats the actions of another run (default: a new one)")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int.from_bytes(os.urandom(4), "big")
    print(f"soak: {asked.minutes:g} minutes, {CLIENTS} clients at once, --seed {seed}", flush=True)
    try:
        with tokens_of(Project(ROOT, "dev", ROOT)) as tokens, subject() as server:
            place = Place(server.http, server.websocket, tokens)
            seconds = asked.minutes * 60
            first = asyncio.run(soaked("warming up", place, server, f"{seed} warm", WARM_UP * seconds))
            last = asyncio.run(soaked("soaking", place, server, f"{seed}", (1 - WARM_UP) * seconds))
            return judge(place, first, last, server.log())
    except KeyboardInterrupt:
        print("\nsoak: stopped, and not judged")
        return INTERRUPTED


async def soaked(what: str, place: Place, server: Subject, seed: str, seconds: float) -> tuple[Look, Weight]:
    """The state of the server after clients came for this many seconds and all left."""
    place.sessions = [await place.new_session() for _ in range(SESSIONS)]
    began = time.monotonic()
    clients = [
        asyncio.create_task(client(place, Random(f"{seed} {number}"), began + seconds))  # noqa: S311  not a secret
        for number in range(CLIENTS)
    ]
    try:
        while not all(each.done() for each in clients):
            await asyncio.wait(clients, timeout=1.0)
            progress(
                f"{what}: {time.monotonic() - began:.0f} of {seconds:.0f} s, {place.done.total()} done, "
                f"{len(place.wrong)} wrong, {server.resident() / 1e6:.0f} MB"
            )
    except asyncio.CancelledError:  # Ctrl-C
        place.cut()
        raise
    for session_id in place.sessions:
        await place.end(session_id)
    progress(f"{what}: waiting until nothing is left")
    deadline = time.monotonic() + QUIET
    while (look := server.look()).left and time.monotonic() < deadline:
        await asyncio.sleep(PAUSE)
        for session_id in list(place.ended) if look.inside["rows"] else ():
            await place.end(session_id)
    place.ended.clear()
    progress(f"{what}: weighing")
    weight = server.weigh()
    progress("")
    return look, weight


async def client(place: Place, random: Random, until: float) -> None:
    while time.monotonic() < until:
        [action] = random.choices(list(ACTIONS), list(ACTIONS.values()))
        name = action.__name__.replace("_", " ")
        try:
            await action(place, random)
        except Exception as error:  # noqa: BLE001  reported at the end
            place.wrong.append(f"{name}: {type(error).__name__}: {error}")
        place.done[name] += 1


def judge(place: Place, first: tuple[Look, Weight], last: tuple[Look, Weight], log: str) -> int:
    (look, weight), (last_look, last_weight) = first, last
    problems = place.wrong[:SHOWN]
    if len(place.wrong) > SHOWN:
        problems.append(f"and {len(place.wrong) - SHOWN} more that clients saw")
    problems += [f"{name}: {count} left when all clients were gone" for name, count in last_look.left.items()]
    problems += [
        f"{name}: {now} at the end, {then} after the warm-up"
        for name, then, now in (
            ("files", look.files, last_look.files),
            ("threads", look.threads, last_look.threads),
        )
        if now > then
    ]
    problems += grown(weight, last_weight)
    told = [line for line in log.splitlines() if SUSPICIOUS.search(line)]
    problems += [f"the server's log: {line}" for line in told[:SHOWN]]
    print(", ".join(f"{count} {name}" for name, count in place.done.most_common()))
    for when, (there, kept) in (("after the warm-up", first), ("at the end", last)):
        print(
            f"{when}: {there.files} files, {there.threads} threads, and {there.inside['workers']} of handlers; "
            f"{kept.resident / 1e6:.0f} MB, {kept.blocks} blocks, "
            f"without {kept.purged} sessions of {kept.purged_blocks}"
        )
    for problem in problems:
        print(f"- {problem}")
    print("soak: nothing wrong, and nothing left" if not problems else f"soak: {len(problems)} problems")
    return 1 if problems else 0


def grown(first: Weight, last: Weight) -> list[str]:
    problems = []
    if last.blocks > first.blocks + MORE_BLOCKS:
        problems.append(f"memory: {last.blocks} blocks are kept at the end, {first.blocks} after the warm-up")
    if last.resident > first.resident * MORE_RESIDENT:
        problems.append(
            f"memory: {last.resident / 1e6:.0f} MB at the end, {first.resident / 1e6:.0f} after the warm-up"
        )
    return problems


if __name__ == "__main__":
    sys.exit(main())
