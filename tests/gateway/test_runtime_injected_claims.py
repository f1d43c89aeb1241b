"""Injected claims need the gateway object: a client of its port cannot bring any."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.runtime import HEADER
from pytest_sessionplugin.gateway.server.server import Server
from tests.gateway.app import API, App

pytestmark = pytest.mark.sockets


def get(url: str, path: str, *headers: tuple[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.putrequest("GET", path)
        for header in headers:
            connection.putheader(*header)
        connection.endheaders()
        with connection.getresponse() as response:
            return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("name", [HEADER, HEADER.lower()])
@pytest.mark.parametrize("value", ['{"sub": "root"}', "1", ""])
def test_a_stranger_cannot_bring_any(gateway: GatewayClient, app: App, name: str, value: str) -> None:
    assert gateway.urls is not None
    gateway.http(claims={"sub": "root"}).get("/guarded/garden")
    assert get(gateway.urls.http, "/guarded/garden", (name, value))[0] == 401
    status, event = get(gateway.urls.http, "/guarded/garden", (name, value), ("Authorization", "garden"))
    assert (status, event["requestContext"]["authorizer"]["principalId"]) == (200, "alice")
    assert HEADER.lower() not in {each.lower() for each in event["headers"]}


def test_what_was_sent_once_is_worth_nothing_to_whoever_sends_it_again(app: App) -> None:
    with Server(API, app) as server:
        header = server.runtime.vouch("GET", "/guarded/garden", {"sub": "bob"})
        status, event = get(server.http_url, "/guarded/garden", header)
        assert (status, event["requestContext"]["authorizer"]["principalId"]) == (200, "bob")
        assert get(server.http_url, "/guarded/garden", header)[0] == 401
