"""The cold-start rival: an app with the service's decorators that only creates a DynamoDB client."""

from __future__ import annotations

from typing import Any

from botocore.session import get_session
from chalice.app import Chalice, CloudWatchEvent, CORSConfig, Rate, WebsocketEvent

app = Chalice(app_name="usual")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.api.cors = CORSConfig(allow_origin="*", max_age=600)
dynamodb = get_session().create_client("dynamodb", region_name="us-east-1")


@app.route("/sessions", methods=["POST"], content_types=["*/*"], cors=app.api.cors)
def create_session() -> dict[str, Any]:
    return {}


@app.route("/sessions", methods=["GET"], content_types=["*/*"], cors=app.api.cors)
def list_sessions() -> dict[str, Any]:
    return {}


@app.route("/sessions/{session_id}", methods=["GET"], content_types=["*/*"], cors=app.api.cors)
def find_session(session_id: str) -> dict[str, Any]:
    return {}


@app.route("/sessions/{session_id}", methods=["PATCH"], content_types=["*/*"], cors=app.api.cors)
def change_session(session_id: str) -> dict[str, Any]:
    return {}


@app.route("/sessions/{session_id}", methods=["DELETE"], content_types=["*/*"], cors=app.api.cors)
def end_session(session_id: str) -> dict[str, Any]:
    return {}


@app.route("/health", methods=["GET"], content_types=["*/*"], cors=app.api.cors)
def health() -> dict[str, Any]:
    return {}


@app.route("/health/ready", methods=["GET"], content_types=["*/*"], cors=app.api.cors)
def ready() -> dict[str, Any]:
    return {}


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    pass


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    pass


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    pass


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    pass
