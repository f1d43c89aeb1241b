"""An app whose only WebSocket handler is for messages: it echoes each one. Its routes have large answers.

The message "how often?" is answered with the number of times the handler has run.
"""

from __future__ import annotations

import boto3
from chalice.app import Chalice, Response, WebsocketEvent

app = Chalice(app_name="listening")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()

runs = 0


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    global runs
    runs += 1
    app.websocket_api.send(event.connection_id, str(runs) if event.body == "how often?" else event.body)


@app.route("/text/{size}")
def text(size: str) -> Response:
    return Response("x" * int(size), headers={"Content-Type": "text/plain"})


@app.route("/encoded/{size}")
def encoded(size: str) -> Response:
    return Response("x" * int(size), headers={"Content-Type": "text/plain", "Content-Encoding": "identity"})
