"""Names for tests to catch and to annotate. Each is imported when it is first used, so importing this is cheap."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # typing's own costs more than the rest of this
if TYPE_CHECKING:
    from typing import Any

    from pytest_sessionplugin.account.account import in_memory
    from pytest_sessionplugin.account.apps import Gateway
    from pytest_sessionplugin.account.clock import Clock
    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.aws.calls import Calls, Denial
    from pytest_sessionplugin.aws.faults import Faults
    from pytest_sessionplugin.aws.live_tables import tables_at
    from pytest_sessionplugin.aws.races import Race, Races
    from pytest_sessionplugin.errors import (
        AppIgnored,
        AuthorizerNotRun,
        BlockedCall,
        BlockedConnection,
        NoApiKey,
        NoHandler,
        NotOnThisTarget,
        RaceNotRun,
        SessionPluginError,
    )
    from pytest_sessionplugin.gateway.activity import NotQuiet
    from pytest_sessionplugin.gateway.client.http import Response
    from pytest_sessionplugin.gateway.client.transport import Unreachable
    from pytest_sessionplugin.gateway.client.websocket import (
        ConnectionClosed,
        HandshakeRefused,
        NothingReceived,
        WebSocket,
    )
    from pytest_sessionplugin.tokens.bad import BadToken
    from pytest_sessionplugin.tokens.tokens import Tokens

_HOMES = {
    "AppIgnored": "errors",
    "AuthorizerNotRun": "errors",
    "BadToken": "tokens.bad",
    "BlockedCall": "errors",
    "BlockedConnection": "errors",
    "Calls": "aws.calls",
    "Clock": "account.clock",
    "ConnectionClosed": "gateway.client.websocket",
    "Denial": "aws.calls",
    "Faults": "aws.faults",
    "Gateway": "account.apps",
    "HandshakeRefused": "gateway.client.websocket",
    "NoApiKey": "errors",
    "NoHandler": "errors",
    "NotOnThisTarget": "errors",
    "NotQuiet": "gateway.activity",
    "NothingReceived": "gateway.client.websocket",
    "Project": "app.project",
    "Race": "aws.races",
    "RaceNotRun": "errors",
    "Races": "aws.races",
    "Response": "gateway.client.http",
    "SessionPluginError": "errors",
    "Tokens": "tokens.tokens",
    "Unreachable": "gateway.client.transport",
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
    "Calls",
    "Clock",
    "ConnectionClosed",
    "Denial",
    "Faults",
    "Gateway",
    "HandshakeRefused",
    "NoApiKey",
    "NoHandler",
    "NotOnThisTarget",
    "NotQuiet",
    "NothingReceived",
    "Project",
    "Race",
    "RaceNotRun",
    "Races",
    "Response",
    "SessionPluginError",
    "Tokens",
    "Unreachable",
    "WebSocket",
    "in_memory",
    "tables_at",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
