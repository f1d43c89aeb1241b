"""The soak finds leaks, shows its progress, and stops its server when it is stopped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.soak.__main__ import INTERRUPTED, grown, judge
from bench.soak.place import Place
from bench.soak.subject import Look, Weight
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings
from tests.processes import ROOT

NOTHING = {"connections": 0, "rows": 0, "workers": 9}
LOOK = Look(NOTHING, files=8, threads=20)
WEIGHT = Weight(resident=150_000_000, blocks=1_000_000, purged=500, purged_blocks=40_000)

AT_ITS_TERMINAL = """
import fcntl, runpy, signal, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C of this terminal reaches the soak
runpy.run_module("bench.soak", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("then", "told"),
    [
        (Weight(160_000_000, 1_010_000, 9_000, 700_000), []),
        (Weight(160_000_000, 1_300_000, 0, 0), ["1300000 blocks"]),
        (Weight(300_000_000, 1_010_000, 0, 0), ["300 MB"]),
    ],
    ids=["as before, whatever was purged", "more objects", "more bytes"],
)
def test_growing_memory_is_reported(then: Weight, told: list[str]) -> None:
    problems = grown(WEIGHT, then)
    assert len(problems) == len(told)
    assert all(part in problem for part, problem in zip(told, problems, strict=True))


@pytest.mark.parametrize(
    ("last", "log", "problem"),
    [
        (LOOK, "sessions - INFO - sweep done  operation=sweep expired=0 settled=9 failed=0", None),
        (Look({**NOTHING, "connections": 1}, 8, 20), "", "connections: 1 left when all clients were gone"),
        (Look(NOTHING, 9, 20), "", "files: 9 at the end, 8 after the warm-up"),
        (LOOK, "Traceback (most recent call last):", "the server's log: Traceback (most recent call last):"),
    ],
    ids=["nothing", "a connection", "a file", "a traceback"],
)
def test_the_verdict_names_what_is_wrong(
    last: Look, log: str, problem: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place("http://x", "ws://x", Tokens(TokenSettings.of({})))
    status = judge(place, (LOOK, WEIGHT), (last, WEIGHT), log)
    shown = capsys.readouterr().out
    assert (status, [line[2:] for line in shown.splitlines() if line.startswith("- ")]) == (
        (1, [problem]) if problem else (0, [])
    )


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the soak looks at its server in /proc")
def test_on_a_terminal_it_says_how_far_it_is_and_ctrl_c_ends_it_and_its_server() -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    soak = subprocess.Popen(
        [sys.executable, "-c", AT_ITS_TERMINAL, "--minutes", "5"],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = read_until(ours, rb"warming up: \d+ of 60 s, [1-9]\d* done, 0 wrong, \d+ MB")
        servers = children(soak.pid)
        os.write(ours, b"\x03")
        shown += read_until(ours, rb"soak: stopped, and not judged")
        assert soak.wait(60) == INTERRUPTED
    finally:
        if soak.poll() is None:
            soak.kill()
            soak.wait()
        os.close(ours)
    assert b"\r\x1b[K" in shown, "the line is written over, not added to"
    assert b"Traceback" not in shown
    assert len(servers) == 1
    assert not Path(f"/proc/{servers[0]}").exists()


def read_until(terminal: int, pattern: bytes) -> bytes:
    shown, deadline = b"", time.monotonic() + 60
    while not re.search(pattern, shown):
        assert time.monotonic() < deadline, shown
        shown += os.read(terminal, 4096)
    return shown


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
