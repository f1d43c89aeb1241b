"""A fork finds what a new interpreter finds, but for the libraries, which are there already."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sessionplugin.children.starts import ACCOUNT, STARTS, Led
from tests.forks import Fork

pytestmark = pytest.mark.process

PROGRAM = """
import json, multiprocessing, os, sys, threading, time
if "hang" in sys.argv:
    print("it hangs", flush=True)
    threading.Event().wait(60)
ours = sorted(name for name in sys.modules if name.partition(".")[0] in ("tests", "pytest_sessionplugin", "app"))
streams = [(each.fileno(), each.encoding, each.errors, each.line_buffering, each.write_through)
           for each in (sys.stdin, sys.stdout, sys.stderr)]
print(json.dumps([
    sys.argv, sys.path, sys.dont_write_bytecode, sys.flags.hash_randomization, ours, os.getcwd(), streams,
    sorted(os.environ.items()), time.tzname, threading.active_count(), multiprocessing.get_start_method(),
    sys.gettrace(), __name__, __file__, os.getsid(0) == os.getpid(),
]))
print("on stderr", file=sys.stderr)
print(sys.stdin.read())
sys.exit(7)
"""
COMMAND = [sys.executable, "-m", "program", "x", "--y"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("start_new_session", [True, False])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_it_finds_what_a_new_interpreter_finds(folder: Path, unbuffered: str, start_new_session: bool) -> None:
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text("import os\nos.environ['CUSTOMIZED'] = '1'")
    mine = {"PYTHONPATH": f"/a:{folder / 'site'}", "TZ": "Asia/Kathmandu", "MINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environ = {**os.environ, **mine, "PYTHONUNBUFFERED": unbuffered}
    found = []
    for started in (subprocess.Popen[str], Fork[str]):
        with started(
            COMMAND,
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=start_new_session,
        ) as process:
            output, errors = process.communicate("on stdin", timeout=60)
            found.append((output, errors, process.returncode))
    assert found[0] == found[1]
    assert "CUSTOMIZED" in found[0][0]
    assert found[0][0].endswith("on stdin\n")
    assert found[0][1:] == ("on stderr\n", 7)


def test_it_writes_to_a_terminal_as_a_new_interpreter_does(folder: Path) -> None:
    environ, found = {**os.environ, "PYTHONUNBUFFERED": ""}, []
    for started in (subprocess.Popen[bytes], Fork[bytes]):
        read, write = pty.openpty()
        with started(COMMAND, cwd=folder, env=environ, stdin=write, stdout=write, stderr=write) as process:
            os.write(read, b"\x04")  # the end of its input
            assert process.wait(60) == 7
        found.append(os.read(read, 100_000))
        os.close(read)
        os.close(write)
    assert found[0] == found[1]
    assert b"on stderr" in found[0]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_hangs_until_a_signal_ends_it(folder: Path, by: signal.Signals) -> None:
    with Fork([*COMMAND, "hang"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "it hangs\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(by)
        _, errors = process.communicate(timeout=60)
        assert process.poll() == process.wait(0) == -by
        assert ("KeyboardInterrupt" in errors) == (by == signal.SIGINT)


def test_an_account_of_this_process_leads_no_fork(folder: Path) -> None:
    STARTS.follow(Led("http://127.0.0.1:2/none#account"))
    try:
        with Fork[str](COMMAND, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            output, _ = process.communicate("", timeout=60)
    finally:
        STARTS.follow(None)
    [_, _, _, _, ours, _, _, variables, *_] = json.loads(output.partition("\n")[0])
    assert (ours, dict(variables).get(ACCOUNT)) == ([], None)
