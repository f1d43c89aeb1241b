"""What a test catches or annotates. Each name is imported when it is first used: importing this costs nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.calls import Calls
    from pytest_sessionplugin.aws.faults import Faults
    from pytest_sessionplugin.aws.memory import in_memory
    from pytest_sessionplugin.bad_tokens import BadToken
    from pytest_sessionplugin.clock import Clock
    from pytest_sessionplugin.errors import AuthorizerNotRun, BlockedCall, SessionPluginError
    from pytest_sessionplugin.gateway.client import (
        ConnectionClosed,
        Gateway,
        HandshakeRefused,
        NothingReceived,
        NotQuiet,
        Response,
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
    "Faults": "aws.faults",
    "Gateway": "gateway.client",
    "HandshakeRefused": "gateway.client",
    "NotQuiet": "gateway.client",
    "NothingReceived": "gateway.client",
    "Project": "project",
    "Response": "gateway.client",
    "SessionPluginError": "errors",
    "Tokens": "tokens",
    "WebSocket": "gateway.client",
    "in_memory": "aws.memory",
}

__all__ = [
    "AuthorizerNotRun",
    "BadToken",
    "BlockedCall",
    "Calls",
    "Clock",
    "ConnectionClosed",
    "Faults",
    "Gateway",
    "HandshakeRefused",
    "NotQuiet",
    "NothingReceived",
    "Project",
    "Response",
    "SessionPluginError",
    "Tokens",
    "WebSocket",
    "in_memory",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
