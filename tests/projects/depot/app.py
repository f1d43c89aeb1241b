"""A depot of parcels: authorizers of all kinds, a blueprint, binary bodies, API keys, CORS."""

import boto3
from chalice import (
    AuthResponse,
    Chalice,
    CognitoUserPoolAuthorizer,
    CORSConfig,
    CustomAuthorizer,
    IAMAuthorizer,
    Response,
)
from chalicelib.parcels import parcels

app = Chalice("depot")
app.experimental_feature_flags.update(["WEBSOCKETS", "BLUEPRINTS"])
app.websocket_api.session = boto3.Session()
app.api.binary_types = ["application/octet-stream", "image/png"]
app.register_blueprint(parcels, url_prefix="/parcels", name_prefix="parcels_")

POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_people"
FUNCTION = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/door/invocations"
people = CognitoUserPoolAuthorizer("people", provider_arns=[POOL], scopes=["depot/read"])
door = CustomAuthorizer("front door", authorizer_uri=FUNCTION, header="X-Door")


@app.authorizer()
def clerk(request):
    """The name of a clerk."""
    return AuthResponse(routes=["*"] if request.token == "carl" else [], principal_id=request.token)


@app.route("/", cors=CORSConfig(allow_origin="https://depot.example", allow_credentials=True, max_age=60))
def index():
    """The state of
    the depot.

    Open to everybody.

    It never sleeps.
    """
    return {"is": "open"}


@app.route("/shelves/{shelf}/places/{place}", methods=["GET", "PUT", "DELETE"], authorizer=clerk)
def place_on_shelf(shelf, place):
    if app.current_request.method == "DELETE":
        return Response("", status_code=204)
    return {"shelf": shelf, "place": place}


@app.route("/labels", methods=["POST"], content_types=["image/png", "text/plain"], api_key_required=True, cors=True)
def label():
    return Response(b"\x89PNG", headers={"Content-Type": "application/octet-stream"})


@app.route("/audit", authorizer=IAMAuthorizer())
def audit():
    return []


@app.route("/visitors", authorizer=people, api_key_required=True)
def visitors():
    return []


@app.route("/gate", methods=["OPTIONS", "POST"], authorizer=door, content_types=["*/*"], cors=True)
def gate():
    return Response("open", headers={"Content-Type": "text/plain"})


@app.on_ws_connect()
def arrive(event):
    """Any truck may come."""


@app.on_ws_message()
def talk(event):
    """Says the same.

    In capitals.
    """
    app.websocket_api.send(event.connection_id, event.body.upper())


@app.on_ws_disconnect()
def drive_off(event):
    """Nothing is kept."""
