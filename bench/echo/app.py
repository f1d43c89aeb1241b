"""The smallest app to measure: an echo handler that makes no DynamoDB call, and two tables."""

from __future__ import annotations

import boto3
from chalice.app import Chalice, WebsocketEvent

app = Chalice(app_name="echo")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    """MiniStack runs `message` at a handshake if there is no $connect handler."""


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    app.websocket_api.send(event.connection_id, event.body)
