"""The smallest app there is to measure: a handler that asks nothing of DynamoDB, and two tables."""

from __future__ import annotations

import boto3
from chalice.app import Chalice, WebsocketEvent

app = Chalice(app_name="echo")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    """MiniStack would run `message` without it."""


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    app.websocket_api.send(event.connection_id, event.body)
