"""What can be behind `chalice_gateway`. The plugin picks one by name; a test is the same on each."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.client import Gateway
    from pytest_sessionplugin.gateway.values import Api, Functions


def why_not(target: str) -> str | None:
    """The reason for which a target cannot be had here, or None."""
    if target == "sockets":
        missing = [name for name in ("h11", "websockets") if find_spec(name) is None]
        if missing:
            return f"real sockets need {' and '.join(missing)}: pip install 'pytest-sessionplugin[sockets]'"
    return None


def gateway(target: str, api: Api, functions: Functions, beside: Gateway | None = None) -> Gateway:
    """A gateway that runs, beside another one if there is one; whoever asks closes it."""
    from pytest_sessionplugin.gateway.client import Gateway

    if target == "sockets":
        return Gateway.on_sockets(api, functions, beside=beside)
    return Gateway.in_process(api, functions, beside=beside)
