"""The script of docs/api.md in a page of a browser, from another origin than the service: it joins by a ticket."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.processes import Served, sessionplugin_serve
from tests.site.browser import read
from tests.sources import ROOT

[SCRIPT] = re.findall(r"^```javascript\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text("utf-8"), re.M | re.S)
PAGE = """<!doctype html><title>A page</title><link rel="icon" href="data:,"><pre id="seen"></pre><script>
const [api, websocket, sessionId, token] = {values};
const show = text => document.getElementById("seen").append(text + "\\n");
const join = async () => {{
    {script}
    socket.onmessage = heard => show(heard.data);
}};
const without = () => {{
    const socket = new WebSocket(websocket + "?sessionId=" + sessionId, ["sessions.v1", "bearer." + token]);
    socket.onclose = closed => show("closed with " + closed.code);
}};
join().catch(error => show("refused: " + error.message)).then(without);
</script>"""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with sessionplugin_serve() as served:
        yield served


@pytest.fixture
def page(served: Served) -> str:
    create = urllib.request.Request(  # noqa: S310  a loopback URL
        f"{served.http}/sessions", headers={"Authorization": f"Bearer {served.token}"}, method="POST"
    )
    with urllib.request.urlopen(create, timeout=10) as answer:  # noqa: S310  the same
        session_id = json.loads(answer.read())["sessionId"]
    values = json.dumps([served.http, served.websocket, session_id, served.token])
    return PAGE.format(values=values, script=SCRIPT)


@contextmanager
def serving(page: str) -> Iterator[str]:
    """The address of a page on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_page_joins_by_a_ticket(page: str) -> None:
    with serving(page) as address:
        shown = read(address, '"type":"welcome"')
    assert '"type":"welcome"' in shown.text
    assert '"role":"owner"' in shown.text


def test_a_page_that_may_not_open_sockets_is_told_why_by_the_ticket_alone(page: str, tmp_path: Path) -> None:
    """A page from the disk has the origin `null`, and its WebSocket says 1006 whatever the status."""
    file = tmp_path / "page.html"
    file.write_text(page)
    shown = read(file, "refused: origin_refused", "closed with 1006")
    assert "refused: origin_refused" in shown.text
    assert "closed with 1006" in shown.text
