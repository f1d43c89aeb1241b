"""A fork finds what a new interpreter finds, but for the libraries, which are there already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forks import run_module

pytestmark = pytest.mark.process

PROGRAM = """
import gc, json, multiprocessing, os, signal, sys, threading, time
if "hang" in sys.argv:
    threading.Event().wait(60)
ours = sorted(name for name in sys.modules if name.partition(".")[0] in ("tests", "pytest_sessionplugin", "app"))
print(json.dumps([
    sys.argv, sys.path, sys.stdin.read(), sys.dont_write_bytecode, sys.flags.hash_randomization, ours, os.getcwd(),
    {name: of for name, of in os.environ.items() if name != "_"}, time.tzname, threading.active_count(),
    multiprocessing.get_start_method(), str(signal.getsignal(signal.SIGINT)), sys.gettrace(), __name__, __file__,
]))
print("on stderr", file=sys.stderr)
sys.exit(7)
"""


def test_it_finds_what_a_new_interpreter_finds(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    environ = {**os.environ, "PYTHONPATH": "/a:/b", "TZ": "Asia/Kathmandu", "MINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    new = subprocess.run(
        [sys.executable, "-m", "program", "x", "--y"],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    status = run_module("program", ["x", "--y"], folder=tmp_path, environ=environ, outputs=outputs, seconds=60)
    assert (outputs / "stdout").read_text() == new.stdout
    assert (outputs / "stderr").read_text() == new.stderr == "on stderr\n"
    assert status == new.returncode == 7


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with pytest.raises(TimeoutError, match=r"^python -m program hang has not ended in 0\.1 s$"):
        run_module("program", ["hang"], folder=tmp_path, environ=os.environ, outputs=tmp_path, seconds=0.1)
