"""Lets everybody in and hears nobody: a connect handler and no other. It has no HTTP routes."""

from __future__ import annotations

from chalice.app import Chalice, WebsocketEvent

app = Chalice(app_name="mute")
app.experimental_feature_flags.add("WEBSOCKETS")


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    """Everybody is welcome."""
