"""The auction: lots and bids over HTTP, and a WebSocket on which watchers of a lot hear of each bid."""

import json
import os
from functools import cache
from typing import Any

import boto3
from chalice import AuthResponse, BadRequestError, Chalice, ConflictError, ForbiddenError, NotFoundError, Response
from chalice.app import AuthRequest, WebsocketEvent

from chalicelib import login
from chalicelib.lots import Lot, Lots, NotTheSeller, Refused, UnknownLot
from chalicelib.watchers import Watchers

app = Chalice(app_name="auction")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = boto3.Session()


@cache
def lots() -> Lots:
    return Lots(boto3.resource("dynamodb").Table(os.environ["LOTS_TABLE"]))


@cache
def watchers() -> Watchers:
    return Watchers(boto3.resource("dynamodb").Table(os.environ["WATCHERS_TABLE"]))


# --- HTTP


@app.authorizer()
def member(request: AuthRequest) -> AuthResponse:
    subject = login.subject_of(request.token, os.environ["LOGIN_KEY"])
    return AuthResponse(routes=["*"] if subject else [], principal_id=subject or "nobody")


def caller() -> str:
    return str(app.current_request.context["authorizer"]["principalId"])


def positive(name: str) -> int:
    value = (app.current_request.json_body or {}).get(name)
    if type(value) is not int or value <= 0:
        raise BadRequestError(f"{name} must be a positive whole number")
    return value


@app.route("/lots", methods=["POST"], authorizer=member)
def put_up() -> Response:
    price = positive("price")
    lot = lots().put_up(caller(), str(app.current_request.json_body.get("title", "")), price)
    return Response(lot, status_code=201)


@app.route("/lots/{lot_id}", methods=["GET"])
def show(lot_id: str) -> Lot:
    try:
        return lots().find(lot_id)
    except UnknownLot as unknown:
        raise NotFoundError(str(unknown)) from unknown


@app.route("/lots/{lot_id}/bids", methods=["POST"], authorizer=member)
def bid(lot_id: str) -> Lot:
    try:
        lot = lots().bid(lot_id, caller(), positive("amount"))
    except UnknownLot as unknown:
        raise NotFoundError(str(unknown)) from unknown
    except Refused as refused:
        raise ConflictError(str(refused)) from refused
    watchers().tell(lot_id, {"type": "bid", "price": lot["price"], "bidder": lot["bidder"]})
    return lot


@app.route("/lots/{lot_id}/hammer", methods=["POST"], authorizer=member)
def hammer(lot_id: str) -> Lot:
    try:
        lot = lots().sell(lot_id, caller())
    except UnknownLot as unknown:
        raise NotFoundError(str(unknown)) from unknown
    except NotTheSeller as stranger:
        raise ForbiddenError(str(stranger)) from stranger
    watchers().tell(lot_id, {"type": "sold", "price": lot["price"], "bidder": lot["bidder"]})
    return lot


# --- WebSocket


@app.on_ws_connect()
def watch(event: WebsocketEvent) -> dict[str, Any]:
    query = event.to_dict().get("queryStringParameters") or {}
    try:
        lot = lots().find(query.get("lot", ""))
    except UnknownLot:
        return {"statusCode": 404}
    if lot["status"] == "sold":
        return {"statusCode": 410}
    watchers().add(lot["lotId"], event.connection_id, f"https://{event.domain_name}/{event.stage}")
    return {"statusCode": 200}


@app.on_ws_message()
def ask(event: WebsocketEvent) -> None:
    """Answers every frame with the current state of the lot."""
    lot = lots().find(watchers().lot_of(event.connection_id))
    app.websocket_api.send(event.connection_id, json.dumps({"type": "lot", **lot}))


@app.on_ws_disconnect()
def leave(event: WebsocketEvent) -> None:
    watchers().remove(event.connection_id)
