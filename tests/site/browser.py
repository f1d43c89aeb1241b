"""A headless Chromium that reads one page, and says what the page asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
    "--window-size=1400,30000",  # a page shows the parts that a window has room for
)
LISTENING: Final = "DevTools listening on "
LONGEST: Final = 60.0  # seconds for an answer of the browser
LIFE: Final = 120.0  # seconds until a browser is killed, whatever it does
SEEN: Final = """new Promise(done => {
    const end = () => done(document.body.innerText);
    const look = () => %s.every(text => document.body.innerText.includes(text)) && requestIdleCallback(end);
    new MutationObserver(look).observe(document, {childList: true, subtree: true, characterData: true});
    setTimeout(end, 50000);
    look();
})"""


@dataclass(frozen=True)
class Read:
    """A page as a person sees it, the addresses that it asked for besides its own, and what it complained of."""

    text: str
    asked: tuple[str, ...]
    errors: tuple[str, ...]


def executable() -> str:
    """The browser of CHROMIUM, or the first on the path. Raises FileNotFoundError."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise FileNotFoundError("Chromium is missing: install it (apt-get install chromium), or name it in CHROMIUM.")
    return found


@contextmanager
def browser() -> Iterator[str]:
    """A running browser, and the address of its debugger."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        subprocess.Popen(
            [executable(), *OPTIONS, f"--user-data-dir={profile}"],
            env={**os.environ, "TMPDIR": profile},
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        end = threading.Timer(LIFE, process.kill)
        end.start()
        try:
            assert process.stderr is not None
            address = next((line for line in process.stderr if line.startswith(LISTENING)), None)
            assert address is not None, "the browser did not start"
            yield address.removeprefix(LISTENING).strip()
        finally:
            end.cancel()
            process.kill()


class Tab:
    """One page of the browser, by the Chrome DevTools Protocol: https://chromedevtools.github.io/devtools-protocol/."""

    def __init__(self, line: ClientConnection) -> None:
        self._line, self._last, self._session = line, 0, {}  # type: tuple[ClientConnection, int, dict[str, str]]
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; events that come before it are kept."""
        self._last += 1
        self._line.send(json.dumps({"id": self._last, "method": method, "params": parameters, **self._session}))
        while True:
            heard = json.loads(self._line.recv(LONGEST))
            if heard.get("id") == self._last:
                assert "error" not in heard, heard
                result: dict[str, Any] = heard["result"]
                return result
            self.events.append(heard)

    def wait_for(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(json.loads(self._line.recv(LONGEST)))

    def of(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") == method]


def read(page: Path | str, *texts: str) -> Read:
    """Opens a file or an address in a browser of its own until it shows all these texts and has nothing left to do,
    50 s at most."""
    at = page if isinstance(page, str) else page.as_uri()
    with browser() as address, connect(address, max_size=None) as line:
        tab = Tab(line)
        for domain in ("Page", "Network", "Log", "Runtime"):
            tab.call(f"{domain}.enable")
        tab.call("Page.navigate", url=at)
        tab.wait_for("Page.loadEventFired")
        text = tab.call("Runtime.evaluate", expression=SEEN % json.dumps(texts), awaitPromise=True)["result"]["value"]
        asked = [each["request"]["url"] for each in tab.of("Network.requestWillBeSent")]
        errors = [each["entry"]["text"] for each in tab.of("Log.entryAdded")]
        errors += [each["exceptionDetails"]["text"] for each in tab.of("Runtime.exceptionThrown")]
    return Read(text, tuple(url for url in asked if url != at), tuple(errors))
