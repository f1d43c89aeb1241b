"""A stranger's app whose routes are guarded by authorizers of every kind that Chalice has."""

from __future__ import annotations

import json

from tests.strangers import APP as APP_OF_ALL
from tests.strangers import CONFIG, PYPROJECT, TABLE, Stranger, write_project

APP = """
from chalice import (
    AuthResponse, AuthRoute, Blueprint, Chalice, CognitoUserPoolAuthorizer, CustomAuthorizer, IAMAuthorizer, Response,
    UnauthorizedError,
)

app = Chalice("chat")
extra = Blueprint(__name__)
asked = []

POLICIES = {
    "all": ["*"],
    "rooms": ["/rooms/*"],
    "reader": [AuthRoute("/rooms/*", ["GET"]), AuthRoute("/", ["GET"])],
    "root": ["/"],
    "none": [],
    "literal": ["/rooms/{name}"],
}


@app.authorizer()
def guard(request):
    assert request.auth_type == "TOKEN"
    asked.append((request.token, request.method_arn.rpartition("/api/")[2]))
    if request.token == "nobody":
        raise Exception("Unauthorized")
    if request.token == "failed":
        raise UnauthorizedError("Authorization failed")
    return AuthResponse(POLICIES[request.token], principal_id="alice", context={"level": 3, "staff": True})


@extra.authorizer(header="X-Key", ttl_seconds=0)
def fussy(request):
    asked.append((request.token, "fussy"))
    return AuthResponse(["*"], principal_id="key " + request.token)


pool = CognitoUserPoolAuthorizer("pool", provider_arns=["arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_x"])
elsewhere = CustomAuthorizer("elsewhere", authorizer_uri="arn:aws:lambda:us-east-1:1:function:x", header="X-Token")


def told():
    context = app.current_request.context
    authorizer = context.get("authorizer")
    assert isinstance((authorizer or {}).pop("integrationLatency", 0), int)
    return {"authorizer": authorizer, "user": context["identity"]["user"]}


@app.route("/", authorizer=guard)
def root():
    return told()


@app.route("/rooms/{name}", methods=["GET"], authorizer=guard)
def room(name):
    return told()


@app.route("/rooms/{name}", methods=["DELETE"], authorizer=guard.with_scopes(["x"]))
def leave(name):
    return told()


@app.route("/rooms/{name}", methods=["POST"], cors=True)
def enter(name):
    return told()


@extra.route("/fussy", authorizer=fussy)
def by_key():
    authorizer = extra.current_request.context["authorizer"]
    del authorizer["integrationLatency"]
    return {"authorizer": authorizer}


app.register_blueprint(extra, name_prefix="extra_")


@app.route("/me", authorizer=pool)
def me():
    return told()


@app.route("/custom", authorizer=elsewhere)
def custom():
    return told()


@app.route("/keyed", api_key_required=True)
def keyed():
    return {"apiKey": app.current_request.context["identity"]["apiKey"]}


@app.route("/picture")
def picture():
    return Response(b"\\xff\\x00", headers={"Content-Type": "image/png"})


@app.route("/json", methods=["POST"])
def only_json():
    return app.current_request.json_body


@app.route("/keyed/long")
def long():
    return {"text": "x" * 2000}


@app.route("/iam", methods=["PUT"], authorizer=IAMAuthorizer())
def iam():
    return told()
"""

TESTS = """
import pytest

pytestmark = [
    pytest.mark.chalice(targets=["inprocess", "sockets"]),
    pytest.mark.filterwarnings("ignore::pytest_sessionplugin.AuthorizerNotRun"),
]


@pytest.fixture
def asked(chalice_app):
    import app

    app.asked.clear()
    return app.asked


@pytest.fixture
def get(chalice_gateway, asked):
    def get(path, token, method="GET"):
        return chalice_gateway.http(headers={"Authorization": token}).request(method, path)

    return get


def test_the_view_is_told_what_the_authorizer_said(get, asked):
    response = get("/rooms/hall", "all")
    assert response.json()["authorizer"] == {"principalId": "alice", "level": "3", "staff": "true"}
    assert asked == [("all", "GET/rooms/hall")]


@pytest.mark.parametrize(
    ("token", "statuses"),  # GET /, GET, DELETE and POST of a room
    [
        ("all", [200, 200, 200, 200]),
        ("rooms", [403, 200, 200, 200]),
        ("reader", [200, 200, 403, 200]),
        ("root", [200, 403, 403, 200]),
        ("none", [403, 403, 403, 200]),
        ("literal", [403, 403, 403, 200]),
        ("nobody", [401, 401, 401, 200]),
        ("failed", [500, 500, 500, 200]),
        ("a KeyError", [500, 500, 500, 200]),
    ],
)
def test_each_method_is_judged_by_the_policy(get, asked, token, statuses):
    paths = [("/", "GET"), ("/rooms/hall", "GET"), ("/rooms/hall", "DELETE"), ("/rooms/hall", "POST")]
    assert [get(path, token, method).status_code for path, method in paths] == statuses
    assert len(asked) == (1 if 401 not in statuses and 500 not in statuses else 3)


def test_without_a_token_nobody_is_asked(chalice_gateway, asked):
    response = chalice_gateway.http().get("/")
    assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})
    assert asked == []


def test_an_authorizer_of_a_blueprint_has_its_header_and_its_ttl(chalice_gateway, asked):
    http = chalice_gateway.http(headers={"X-Key": "k"})
    assert http.get("/fussy").json()["authorizer"] == {"principalId": "key k"}
    http.get("/fussy")
    assert asked == [("k", "fussy"), ("k", "fussy")]


def test_what_cannot_be_run_refuses_nobody_with_a_credential(chalice_gateway):
    http = chalice_gateway.http()
    assert [http.get("/me").status_code, http.get("/custom").status_code] == [401, 401]
    assert http.put("/iam").status_code == 403
    http = chalice_gateway.http(token="any", headers={"X-Token": "any"})
    assert http.get("/custom").json()["authorizer"] is None


def test_a_request_that_is_signed_for_aws_passes_iam(chalice_gateway, chalice_clock):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.session import get_session

    chalice_clock.advance(hours=5)
    request = AWSRequest("PUT", "https://chat.test/iam", headers={"Host": "chat.test"}, data=b"x")
    SigV4Auth(get_session().get_credentials(), "execute-api", "us-east-1").add_auth(request)
    http = chalice_gateway.http(headers=dict(request.headers.items()))
    assert http.put("/iam", content="x").json() == {"authorizer": None, "user": "testing"}
    assert http.put("/iam", content="y").status_code == 403
    chalice_clock.advance(hours=1)
    assert http.put("/iam", content="x").status_code == 403


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 200),
        ({"token_use": "access"}, 401),
        ({"scope": "rooms/read"}, 401),
        ({"iss": "https://another.test"}, 401),
        ({"expires_in": 0}, 401),
    ],
)
def test_a_user_pool_takes_its_own_tokens(chalice_gateway, jwt_tokens, chalice_clock, claims, status):
    response = chalice_gateway.http(token=jwt_tokens("alice", **claims)).get("/me")
    assert response.status_code == status
    if status == 200:
        assert response.json()["authorizer"]["claims"]["sub"] == "alice"
        chalice_clock.advance(hours=1)
        response = chalice_gateway.http(token=jwt_tokens("alice", expires_in=0, **claims)).get("/me")
        assert response.json() == {"message": "The incoming token has expired"}


def test_a_user_pool_takes_no_token_that_it_did_not_sign(chalice_gateway, jwt_tokens):
    head, claims, signature = jwt_tokens("alice").split(".")
    forged = jwt_tokens("mallory").split(".")[1]
    assert chalice_gateway.http(token=f"{head}.{forged}.{signature}").get("/me").status_code == 401
    older = jwt_tokens("alice")
    jwt_tokens.rotate()
    assert chalice_gateway.http(token=older).get("/me").status_code == 401
    assert chalice_gateway.http(token=jwt_tokens("alice")).get("/me").status_code == 200


def test_a_route_that_needs_an_api_key_takes_those_of_the_settings(chalice_gateway):
    statuses = [chalice_gateway.http(headers={"x-api-key": key}).get("/keyed").status_code for key in ("k", "x", "")]
    assert statuses == [200, 403, 403]
    assert chalice_gateway.http(headers={"x-api-key": "k"}).get("/keyed").json() == {"apiKey": "k"}


@pytest.mark.parametrize(
    ("accept", "status", "content"),
    [
        ("image/png", 200, b"\\xff\\x00"),
        ("text/html, image/png", 200, b"/wA="),
        ("text/html", 400, None),
    ],
)
def test_what_is_binary_depends_on_what_the_client_accepts(chalice_gateway, accept, status, content):
    response = chalice_gateway.http(headers={"Accept": accept}).get("/picture")
    assert response.status_code == status
    assert content in (None, response.content)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"content-type": "application/json"}, 200), ({"Content-Type": "text/plain"}, 415)],
)
def test_a_route_takes_json_unless_it_says_otherwise(chalice_gateway, headers, status):
    assert chalice_gateway.http(headers=headers).post("/json", content='{"a": 1}').status_code == status


def test_answers_are_compressed_as_the_config_says(chalice_gateway):
    response = chalice_gateway.http(headers={"Accept-Encoding": "gzip"}).get("/keyed/long")
    assert (response.headers["content-encoding"], response.json()) == ("gzip", {"text": "x" * 2000})
    short = chalice_gateway.http(headers={"Accept-Encoding": "gzip", "x-api-key": "k"}).get("/keyed")
    assert "content-encoding" not in short.headers


def test_claims_are_given_instead(chalice_gateway, asked):
    alice = chalice_gateway.http(claims={"sub": "alice", "exp": 1})
    claims = {"sub": "alice", "exp": "1"}
    date = "Thu Jan 01 00:00:01 UTC 1970"
    assert alice.get("/me").json()["authorizer"] == {"claims": {**claims, "exp": date}}
    assert alice.get("/custom").json()["authorizer"] == {"principalId": "alice", **claims}
    assert alice.get("/rooms/hall").json()["authorizer"] == {"principalId": "alice", **claims}
    assert alice.put("/iam", claims={"user": "AIDA"}).json() == {"authorizer": None, "user": "AIDA"}
    assert asked == []
    with pytest.raises(ValueError, match="POST /rooms/{name} has no authorizer, and API Gateway gives claims to no"):
        alice.post("/rooms/hall")


def test_a_policy_is_kept_for_300_seconds_of_the_clock(get, asked, chalice_clock):
    assert [get("/rooms/hall", "root").status_code, get("/", "root").status_code] == [403, 200]
    chalice_clock.advance(seconds=299)
    get("/", "root")
    assert len(asked) == 1
    chalice_clock.advance(seconds=1)
    get("/", "root")
    assert len(asked) == 2


def test_the_policies_of_one_test_are_not_those_of_the_next(get, asked):
    assert get("/", "all").status_code == 200
    assert len(asked) == 1
"""

WARNED = """
import pytest


def test_what_cannot_be_run_is_said_once(request):
    with pytest.warns(UserWarning) as warned:
        request.getfixturevalue("chalice_gateway")
    (warning,) = [each for each in warned if each.category.__name__ == "AuthorizerNotRun"]
    assert str(warning.message) == (
        "authorizers that cannot be run here: custom (GET /custom), which lets pass any credential; "
        "chalice_gateway.http(claims={...}) gives what they would put into the request context. "
        "Where this is known, pytest's filterwarnings takes "
        "ignore::pytest_sessionplugin.AuthorizerNotRun."
    )
"""


SETTINGS = """
[tool.sessionplugin]
api_keys = ["k"]

[tool.sessionplugin.tokens]
algorithm = "RS256"
issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"
"""


def test_authorizers_run_and_those_that_cannot_are_stood_in_for(stranger: Stranger) -> None:
    write_project(
        stranger.root, APP, PYPROJECT.replace("\n[tool.sessionplugin.env]", f"{SETTINGS}\n[tool.sessionplugin.env]")
    )
    config = stranger.root / ".chalice" / "config.json"
    config.write_text(json.dumps({**CONFIG, "minimum_compression_size": 1000}))
    result = stranger.test(test_guarded=TESTS, test_warned=WARNED)
    result.assert_outcomes(passed=2 * 31 + 1)


def test_an_api_key_that_nobody_has_is_a_sentence_where_warnings_are_errors(stranger: Stranger) -> None:
    app = APP_OF_ALL + '\n\n@app.route("/keyed", api_key_required=True)\ndef keyed():\n    return {}\n'
    (stranger.root / "app.py").write_text(app)
    result = stranger.test(test_it="def test_it(chalice_gateway): pass")
    result.stdout.fnmatch_lines(["*ERROR at setup of test_it*", "GET /keyed need an API key, and there is none, *"])
    assert "pytest_sessionplugin/" not in result.stdout.str()


OWN_ERRORS = """
import pytest

pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])


def test_errors_of_the_gateway_have_the_form_of_the_template(chalice_gateway):
    http = chalice_gateway.http()
    nowhere = http.get("/nowhere")
    assert (nowhere.status_code, nowhere.json()) == (404, {"code": "no_such_route"})
    keyed = http.get("/keyed")
    assert (keyed.status_code, keyed.json()) == (403, {"code": "refused", "id": keyed.headers["X-Id"]})
    assert http.get("/keyed", headers={"x-api-key": "k"}).json() == {}
"""


def test_a_template_gives_api_gateways_own_errors_a_form(stranger: Stranger) -> None:
    """It is the one with the tables, which `chalice package --merge-template` takes."""
    app = APP_OF_ALL + '\n\n@app.route("/keyed", api_key_required=True)\ndef keyed():\n    return {}\n'
    settings = '[tool.sessionplugin]\napi_keys = ["k"]\n'
    write_project(
        stranger.root, app, PYPROJECT.replace("[tool.sessionplugin.env]", f"{settings}\n[tool.sessionplugin.env]")
    )
    forms: dict[str, dict[str, object]] = {
        "MISSING_AUTHENTICATION_TOKEN": {
            "StatusCode": "404",
            "ResponseTemplates": {"application/json": '{"code":"no_such_route"}'},
        },
        "DEFAULT_4XX": {
            "ResponseParameters": {"gatewayresponse.header.X-Id": "context.requestId"},
            "ResponseTemplates": {"application/json": '{"code":"refused","id":"$context.requestId"}'},
        },
    }
    resources = {
        name.title().replace("_", ""): {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {"RestApiId": {"Ref": "RestAPI"}, "ResponseType": name, **form},
        }
        for name, form in forms.items()
    }
    template = {"Resources": {"Rooms": TABLE, **resources}}
    (stranger.root / ".chalice" / "resources.json").write_text(json.dumps(template))
    stranger.test(test_it=OWN_ERRORS).assert_outcomes(passed=2)
