"""A server that may open no more files goes on with those who are there, and takes the others when it can."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.processes import ROOT, sessionplugin_serve

pytestmark = pytest.mark.process

resource = pytest.importorskip("resource", reason="limits of open files are of Unix")
CLIENTS = 30


def healthy(connection: http.client.HTTPConnection) -> bool:
    connection.request("GET", "/health")
    with connection.getresponse() as answer:
        return (answer.status, answer.read()) == (200, b'{"status":"ok"}')


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux sets limits of another process")
def test_a_server_without_files_to_open_serves_who_is_there_and_later_the_others() -> None:
    with sessionplugin_serve() as served, contextlib.ExitStack() as stack:
        address = urlsplit(served.http)
        early, late = (http.client.HTTPConnection(address.netloc, timeout=30) for _ in range(2))
        stack.callback(early.close)
        stack.callback(late.close)
        assert healthy(early)
        pid = served.process.pid
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (files + 5, files + 5))
        crowd = [socket.create_connection((address.hostname, address.port or 0), 10) for _ in range(CLIENTS)]
        assert healthy(early), "who was connected before is served"
        assert len(list(Path(f"/proc/{pid}/fd").iterdir())) == files + 5, "the others wait to be accepted"
        for one in crowd:
            one.close()
        assert healthy(late), "who comes when they have gone is served"
        assert served.process.poll() is None


def test_serve_takes_all_the_files_that_it_may() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = (
        "import resource, sys; from pytest_sessionplugin.serving.process import raise_open_file_limit as allow;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}));"
        "allow(); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert int(run.stdout) == hard
