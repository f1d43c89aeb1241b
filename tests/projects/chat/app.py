# A chat: people enter a room over HTTP; WebSocket frames come back as echoes.

import os

import boto3
from chalice import Chalice, Rate

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
table = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])


@app.route("/rooms/{name}", methods=["GET", "POST"], cors=True)
def room(name):
    if app.current_request.method == "POST":
        app.log.error("somebody enters %s", name)
        table.update_item(Key={"name": name}, UpdateExpression="ADD people :one", ExpressionAttributeValues={":one": 1})
    item = table.get_item(Key={"name": name}).get("Item", {})
    return {"people": int(item.get("people", 0)), "greeting": os.environ.get("GREETING")}


@app.route("/bug")
def bug():
    raise ZeroDivisionError("a bug in a route")


@app.route("/push/{connection}", methods=["POST"])
def push(connection):
    app.websocket_api.send(connection, "pushed")
    return {}


@app.on_ws_message()
def message(event):
    if event.body == "bug":
        raise ZeroDivisionError("a bug in a handler")
    app.websocket_api.send(event.connection_id, "echo " + event.body)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event):
    app.log.error("swept")
