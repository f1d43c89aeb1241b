"""An app that accepts every connection and handles no message: its only handler is for connects. No HTTP routes."""

from __future__ import annotations

from chalice.app import Chalice, WebsocketEvent

app = Chalice(app_name="mute")
app.experimental_feature_flags.add("WEBSOCKETS")


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    """Accepts everybody."""
