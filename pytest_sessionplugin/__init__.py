"""What a test catches or annotates. Each name is imported when it is first used: importing this costs nothing."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # typing's own costs more than the rest of this
if TYPE_CHECKING:
    from typing import Any

    from pytest_sessionplugin.aws.calls import Calls, Denial
    from pytest_sessionplugin.aws.faults import Faults
    from pytest_sessionplugin.aws.memory import in_memory
    from pytest_sessionplugin.aws.race import Race, Races
    from pytest_sessionplugin.aws.running import tables_at
    from pytest_sessionplugin.bad_tokens import BadToken
    from pytest_sessionplugin.clock import Clock
    from pytest_sessionplugin.errors import (
        AuthorizerNotRun,
        BlockedCall,
        NoApiKey,
        NotOnThisTarget,
        RaceNotRun,
        SessionPluginError,
    )
    from pytest_sessionplugin.gateway.client import (
        ConnectionClosed,
        Gateway,
        HandshakeRefused,
        NothingReceived,
        NotQuiet,
        Response,
        Unreachable,
        WebSocket,
    )
    from pytest_sessionplugin.project import Project
    from pytest_sessionplugin.tokens import Tokens

_HOMES = {
    "AuthorizerNotRun": "errors",
    "BadToken": "bad_tokens",
    "BlockedCall": "errors",
    "Calls": "aws.calls",
    "Clock": "clock",
    "ConnectionClosed": "gateway.client",
    "Denial": "aws.calls",
    "Faults": "aws.faults",
    "Gateway": "gateway.client",
    "HandshakeRefused": "gateway.client",
    "NoApiKey": "errors",
    "NotOnThisTarget": "errors",
    "NotQuiet": "gateway.client",
    "NothingReceived": "gateway.client",
    "Project": "project",
    "Race": "aws.race",
    "RaceNotRun": "errors",
    "Races": "aws.race",
    "Response": "gateway.client",
    "SessionPluginError": "errors",
    "Tokens": "tokens",
    "Unreachable": "gateway.client",
    "WebSocket": "gateway.client",
    "in_memory": "aws.memory",
    "tables_at": "aws.running",
}

__all__ = [
    "AuthorizerNotRun",
    "BadToken",
    "BlockedCall",
    "Calls",
    "Clock",
    "ConnectionClosed",
    "Denial",
    "Faults",
    "Gateway",
    "HandshakeRefused",
    "NoApiKey",
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
