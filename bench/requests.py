"""Requests a second of `GET /health`: `sessionplugin serve` and `chalice local`, eight clients, in turns."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlsplit

from bench.figures import Figure, in_turns
from tests.serving import chalice_local, sessionplugin_serve

CLIENTS = 8
SECONDS = 2.0
RUNS = 5


def measure() -> Figure:
    with sessionplugin_serve() as served, chalice_local() as local:
        for url in (served.http, local):
            requests_a_second(url, 0.5)
        ours, theirs = in_turns(
            RUNS, lambda: requests_a_second(served.http, SECONDS), lambda: requests_a_second(local, SECONDS)
        )
    return Figure(
        f"GET /health, {CLIENTS} clients",
        f"{ours:.0f}/s",
        f"chalice local {theirs:.0f}/s",
        "at least as many",
        ours >= theirs,
    )


def requests_a_second(url: str, seconds: float) -> float:
    """Of clients that each keep one connection and wait for each answer."""
    stop = time.monotonic() + seconds
    counts = [0] * CLIENTS

    def client(number: int) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        while time.monotonic() < stop:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or body != b'{"status":"ok"}':
                raise SystemExit(f"bench: {url}/health answered {answer.status}")
            counts[number] += 1
        connection.close()

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)
