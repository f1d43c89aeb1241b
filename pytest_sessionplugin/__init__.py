"""Names for tests to catch and to annotate. Each is imported when it is first used, so importing this is cheap."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # typing's own costs more than the rest of this
if TYPE_CHECKING:
    from pytest_sessionplugin.account.account import in_memory
    from pytest_sessionplugin.account.apps import Gateway
    from pytest_sessionplugin.account.clock import Clock
    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.aws.calls import Call, Calls, Denial
    from pytest_sessionplugin.aws.faults import Faults
    from pytest_sessionplugin.aws.live_tables import tables_at
    from pytest_sessionplugin.aws.races import Race, Races
    from pytest_sessionplugin.aws.tables import Tables
    from pytest_sessionplugin.errors import (
        AppIgnored,
        AuthorizerNotRun,
        BlockedCall,
        BlockedConnection,
        NoApiKey,
        NoAppName,
        NoHandler,
        NotOnThisTarget,
        RaceNotRun,
        SessionPluginError,
    )
    from pytest_sessionplugin.gateway.activity import NotQuiet
    from pytest_sessionplugin.gateway.client.http import HttpClient
    from pytest_sessionplugin.gateway.client.request import HeaderMap, SentRequest
    from pytest_sessionplugin.gateway.client.response import HandshakeRefused, HTTPStatusError, Response
    from pytest_sessionplugin.gateway.client.transport import Unreachable, Urls
    from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed, Frame, NothingReceived, WebSocket
    from pytest_sessionplugin.gateway.values import Observed
    from pytest_sessionplugin.lambdas.event_sources import DeliveredEvent
    from pytest_sessionplugin.lambdas.service import Retry
    from pytest_sessionplugin.tokens.bad import BadToken
    from pytest_sessionplugin.tokens.tokens import Tokens

_HOMES = {
    "AppIgnored": "errors",
    "AuthorizerNotRun": "errors",
    "BadToken": "tokens.bad",
    "BlockedCall": "errors",
    "BlockedConnection": "errors",
    "Call": "aws.calls",
    "Calls": "aws.calls",
    "Clock": "account.clock",
    "ConnectionClosed": "gateway.client.websocket",
    "DeliveredEvent": "lambdas.event_sources",
    "Denial": "aws.calls",
    "Faults": "aws.faults",
    "Frame": "gateway.client.websocket",
    "Gateway": "account.apps",
    "HTTPStatusError": "gateway.client.response",
    "HandshakeRefused": "gateway.client.response",
    "HeaderMap": "gateway.client.request",
    "HttpClient": "gateway.client.http",
    "NoApiKey": "errors",
    "NoAppName": "errors",
    "NoHandler": "errors",
    "NotOnThisTarget": "errors",
    "NotQuiet": "gateway.activity",
    "NothingReceived": "gateway.client.websocket",
    "Observed": "gateway.values",
    "Project": "app.project",
    "Race": "aws.races",
    "RaceNotRun": "errors",
    "Races": "aws.races",
    "Response": "gateway.client.response",
    "Retry": "lambdas.service",
    "SentRequest": "gateway.client.request",
    "SessionPluginError": "errors",
    "Tables": "aws.tables",
    "Tokens": "tokens.tokens",
    "Unreachable": "gateway.client.transport",
    "Urls": "gateway.client.transport",
    "WebSocket": "gateway.client.websocket",
    "in_memory": "account.account",
    "tables_at": "aws.live_tables",
}

__all__ = [
    "AppIgnored",
    "AuthorizerNotRun",
    "BadToken",
    "BlockedCall",
    "BlockedConnection",
    "Call",
    "Calls",
    "Clock",
    "ConnectionClosed",
    "DeliveredEvent",
    "Denial",
    "Faults",
    "Frame",
    "Gateway",
    "HTTPStatusError",
    "HandshakeRefused",
    "HeaderMap",
    "HttpClient",
    "NoApiKey",
    "NoAppName",
    "NoHandler",
    "NotOnThisTarget",
    "NotQuiet",
    "NothingReceived",
    "Observed",
    "Project",
    "Race",
    "RaceNotRun",
    "Races",
    "Response",
    "Retry",
    "SentRequest",
    "SessionPluginError",
    "Tables",
    "Tokens",
    "Unreachable",
    "Urls",
    "WebSocket",
    "in_memory",
    "tables_at",
]


if not TYPE_CHECKING:  # a checker would take any name to be there

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
