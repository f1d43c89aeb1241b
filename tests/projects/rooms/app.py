# A chat whose code invites trouble: it loses updates, keeps rows of sockets, and works in batches.

import os
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.dynamodb.conditions import Key
from chalice import Chalice, WebsocketDisconnectedError

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
table = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])
client = table.meta.client


def people(name):
    return int(table.get_item(Key={"name": name}).get("Item", {}).get("people", 0))


@app.route("/rooms/{name}/careless", methods=["POST"])
def careless(name):
    table.update_item(
        Key={"name": name}, UpdateExpression="SET people = :n", ExpressionAttributeValues={":n": people(name) + 1}
    )
    return {}


@app.route("/rooms/{name}/careful", methods=["POST"])
def careful(name):
    while True:
        seen = people(name)
        try:
            table.update_item(
                Key={"name": name},
                UpdateExpression="SET people = :n",
                ConditionExpression="people = :seen" if seen else "attribute_not_exists(people)",
                ExpressionAttributeValues={":n": seen + 1, **({":seen": seen} if seen else {})},
            )
            break
        except client.exceptions.ConditionalCheckFailedException:
            pass
    return {}


@app.route("/rooms/{name}/stubborn", methods=["POST"])
def stubborn(name):
    try:
        careless(name)
    except Exception:  # noqa: BLE001, S110  a handler that swallows everything
        pass
    finally:
        table.put_item(Item={"name": "last words"})
    return {}


@app.route("/rooms/{name}", methods=["GET", "PUT"])
def room(name):
    if app.current_request.method == "PUT":
        table.put_item(Item={"name": name, "owner": "alice"})
    return {}


@app.route("/owned")
def owned():
    found = table.query(IndexName="by-owner", KeyConditionExpression=Key("owner").eq("alice"))["Items"]
    scanned = table.scan(IndexName="by-town")["Items"]
    return {"owned": [one["name"] for one in found], "in town": len(scanned), "all": table.scan()["Count"]}


@app.route("/pool/{name}", methods=["POST"])
def pool(name):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(table.put_item, Item={"name": name}).result()
    return {}


@app.on_ws_connect()
def connect(event):
    table.put_item(Item={"name": event.connection_id})


@app.on_ws_message()
def message(event):
    verb, _, rest = event.body.partition(" ")
    if verb == "enter":
        careless(rest)
        return
    to, _, text = rest.partition(" ")
    try:
        app.websocket_api.send(to, text)
    except WebsocketDisconnectedError:
        table.put_item(Item={"name": f"gone {to}"})


@app.on_ws_disconnect()
def disconnect(event):
    table.delete_item(Key={"name": event.connection_id})
