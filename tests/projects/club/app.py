# A club: members enter rooms with a token, and talk over WebSocket. Each part is one that newcomers get wrong.

import json
import os

import boto3
import jwt
from chalice import AuthResponse, Chalice, NotFoundError, Rate

app = Chalice("club")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()


def rooms():
    return boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])


def verified(token):
    return jwt.decode(
        token, os.environ["JWT_SECRET"], algorithms=["HS256"], audience="club", issuer="https://club.test"
    )


@app.authorizer()
def member(request):
    try:
        subject = verified(request.token.removeprefix("Bearer "))["sub"]
    except jwt.InvalidTokenError:
        return AuthResponse(routes=[], principal_id="nobody")
    return AuthResponse(routes=["*"], principal_id=subject)


@app.route("/health")
def health():
    return {"status": "up"}


@app.route("/rooms", methods=["GET", "POST"], authorizer=member)
def room():
    if app.current_request.method == "POST":
        rooms().put_item(Item={"name": app.current_request.json_body["name"], "owner": "alice"})
    return {}


@app.route("/rooms/{name}", authorizer=member)
def one_room(name):
    found = rooms().get_item(Key={"name": name}).get("Item")
    if found is None:
        raise NotFoundError(name)
    return {"name": name, "owner": found["owner"]}


@app.route("/orders", methods=["POST"])
def order():
    queue = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="one more")
    return {}


@app.route("/bug")
def bug():
    raise ZeroDivisionError("a bug in a route")


@app.on_ws_connect()
def connect(event):
    if "Cookie" in event.to_dict()["headers"]:
        raise PermissionError


@app.on_ws_message()
def message(event):
    said = json.loads(event.body)
    app.websocket_api.send(event.connection_id, json.dumps({"type": "said", "text": said["text"]}))


@app.on_sqs_message(queue="audit")
def audit(event):
    for record in event:
        app.log.info(record.body)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def tidy(event):
    app.log.info("tidied")
