"""Values that AWS gives at a deployment: a variable has what the gateway, Lambda and the emulator answer to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.app.placeholders import Placeholders, check, name_in_lambda
from pytest_sessionplugin.app.project import Memory, Project
from pytest_sessionplugin.aws.resources import Resource, Resources, Service
from pytest_sessionplugin.errors import ProjectError, SessionPluginError
from pytest_sessionplugin.gateway.client.transport import Urls
from pytest_sessionplugin.gateway.values import Api
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings
from tests.processes import sessionplugin_serve
from tests.strangers import Stranger, write_project

HOST = "execute-api.us-east-1.amazonaws.com"
SPECS: dict[str, Any] = {
    "Rooms": {"TableName": "chat-dev-rooms"},
    "Log": {"TableName": "chat-dev-log", "StreamSpecification": {"StreamViewType": "NEW_IMAGE"}},
}


RESOURCES = Resources(
    {
        "Orders": Resource(Service.SQS, "chat-dev-orders"),
        "News": Resource(Service.SNS, "chat-dev-news"),
        "Uploads": Resource(Service.S3, "chat-dev-uploads"),
    }
)


def expanded(text: str, api: Api | None = None, urls: Urls | None = None) -> str:
    tokens = Tokens(TokenSettings.of({}))
    return Placeholders("chat-dev", api or Api(), SPECS, tokens, RESOURCES, urls).expand({"V": text})["V"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{table:Log}", "chat-dev-log"),
        ("{stream:Log}", "arn:aws:dynamodb:us-east-1:123456789012:table/chat-dev-log/stream/2026-01-01T00:00:00.000"),
        ("{websocket:url}", f"wss://w3bs0cket0.{HOST}/api"),
        ("{websocket:domain}", f"w3bs0cket0.{HOST}"),
        ("{websocket:id}", "w3bs0cket0"),
        ("{rest:url}/rooms", f"https://r3stapi000.{HOST}/api/rooms"),
        ("{rest:domain}", f"r3stapi000.{HOST}"),
        ("{rest:id}", "r3stapi000"),
        ("{function:sweep}", "chat-dev-sweep"),
        ("{function:api_handler}", "chat-dev"),
        ("{queue:orders.fifo}", "https://sqs.us-east-1.amazonaws.com/123456789012/orders.fifo"),
        ("{topic:news-of-today}", "arn:aws:sns:us-east-1:123456789012:news-of-today"),
        ("{queue:Orders}", "https://sqs.us-east-1.amazonaws.com/123456789012/chat-dev-orders"),
        ("{topic:News}", "arn:aws:sns:us-east-1:123456789012:chat-dev-news"),
        ("{bucket:Uploads}", "chat-dev-uploads"),
        ("{bucket:exports}", "exports"),
        ("{websocket:domain}/{rest:id}", f"w3bs0cket0.{HOST}/r3stapi000"),
        ("{colour:red} {websocket}", "{colour:red} {websocket}"),
    ],
)
def test_a_placeholder_stands_for_what_aws_gives(text: str, value: str) -> None:
    assert expanded(text) == value


def test_values_are_those_of_the_stage_the_region_and_the_app() -> None:
    api = Api(stage="v1", region="cn-north-1").numbered(2)
    assert expanded("{websocket:url}", api) == "wss://w3bs0ck002.execute-api.cn-north-1.amazonaws.com.cn/v1"
    assert expanded("{queue:orders}", api) == "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders"
    assert expanded("{topic:news}", api) == "arn:aws-cn:sns:cn-north-1:123456789012:news"


def test_a_served_app_has_the_urls_of_its_ports_and_the_domain_of_its_events() -> None:
    urls = Urls("http://127.0.0.1:8000", "ws://127.0.0.1:8001")
    assert expanded("{rest:url}", urls=urls) == "http://127.0.0.1:8000/api"
    assert expanded("{websocket:url}", urls=urls) == "ws://127.0.0.1:8001/api"
    assert expanded("{websocket:domain}", urls=urls) == f"w3bs0cket0.{HOST}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{websocket:ulr}", "there is no {websocket:…} named ulr; did you mean url. There are: domain, id, url."),
        ("{rest:host}", "there is no {rest:…} named host; there are: domain, id, url."),
        ("{table:Romos}", "there is no table Romos; did you mean Rooms. There are: Rooms, Log."),
        ("{stream:Rooms}", "there is no table with a stream named Rooms; there are: Log."),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(text: str, sentence: str) -> None:
    with pytest.raises(SessionPluginError) as error:
        expanded(text)
    assert str(error.value).replace("?", ".") == f"V = {text!r}: {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{function:connect}", "there is no function connect; there are: sweep, websocket_connect."),
        ("{queue:order}", "there is no queue order; did you mean orders"),
        (
            "a {topic:olds}",
            "there is no topic olds; there are: News, news. The template, the app's",
        ),
        (
            "{topic:Orders}",
            "there is no topic Orders; there are: News, news. The template, the app's",
        ),
        (
            "{bucket:files}",
            "there is no bucket files; there are: Uploads. The template, the app's",
        ),
    ],
)
def test_names_that_the_app_gives_are_checked_after_its_import(text: str, sentence: str, tmp_path: Path) -> None:
    there = {Service.SQS: ["orders"], Service.SNS: ["news"], Service.S3: []}
    known = {"F": "{function:sweep}", "Q": "{queue:orders} {queue:Orders}", "T": "{topic:news} {table:None}"}
    check(tmp_path, known, ["sweep", "websocket_connect"], RESOURCES.made, there.__getitem__)
    with pytest.raises(ProjectError) as error:
        check(tmp_path, {**known, "V": text}, ["sweep", "websocket_connect"], RESOURCES.made, there.__getitem__)
    assert str(error.value).startswith(f"V = {text!r}: {sentence}")


def test_the_function_of_the_rest_api_has_the_name_of_app_and_stage() -> None:
    assert [name_in_lambda("chat-dev", each) for each in ("api_handler", "sweep")] == ["chat-dev", "chat-dev-sweep"]


def test_another_app_of_an_account_has_values_of_its_own(project: Project) -> None:
    memory = Memory(project, variables={"WS": "{websocket:id}"})
    assert memory.variables["WS"] == memory.numbered(0).variables["WS"] == "w3bs0cket0"
    other = Memory(Project(write_pushing(project.root / "other")))
    assert other.numbered(2).variables["WS_ID"] == "w3bs0ck002"


# --- in tests

APP = """
import os

import boto3
from chalice import Chalice

app = Chalice("push")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.Session()
app.websocket_api.configure(os.environ["WS_DOMAIN"], "api")
people, domains = [], []


@app.on_ws_connect()
def connect(event):
    people.append(event.connection_id)
    domains.append(event.domain_name)


@app.route("/say/{word}", methods=["POST"])
def say(word):
    for person in people:
        app.websocket_api.send(person, word)
    return {"domains": domains}


@app.route("/post/{word}", methods=["POST"])
def post(word):
    url = os.environ["WS_URL"].replace("wss://", "https://")
    client = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    client.post_to_connection(ConnectionId=people[-1], Data=word.encode())


@app.route("/variables")
def variables():
    return {name: os.environ[name] for name in ("WS_ID", "WS_DOMAIN", "WS_URL", "REST_URL", "STREAM")}


@app.lambda_function()
def report(event, context):
    return context.function_name


@app.on_sqs_message(queue="orders")
def order(event):
    pass


@app.on_sns_message(topic="news")
def news(event):
    pass


@app.on_dynamodb_record(stream_arn=os.environ["STREAM"])
def change(event):
    pass
"""

ENV = """
[tool.pytest.ini_options]
filterwarnings = ["error"]

[tool.sessionplugin.env]
WS_ID = "{websocket:id}"
WS_DOMAIN = "{websocket:domain}"
WS_URL = "{websocket:url}"
REST_URL = "{rest:url}"
REPORT = "{function:report}"
QUEUE = "{queue:orders}"
TOPIC = "{topic:news}"
STREAM = "{stream:Log}"
"""

TEMPLATE = """{"Resources": {"Log": {"Type": "AWS::DynamoDB::Table", "Properties": {
  "TableName": "%s", "BillingMode": "PAY_PER_REQUEST", "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
  "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
  "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}}}}"""


def write_pushing(root: Path, table: str = "log") -> Path:
    write_project(root, APP, ENV)
    (root / ".chalice" / "resources.json").write_text(TEMPLATE % table)
    (root / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "push"}')
    return root


TESTS: dict[str, Any] = {
    "test_values": """
        import json, os
        import boto3
        import pytest

        def test_each_value_is_answered(chalice_gateway, dynamodb_tables):
            with chalice_gateway.websocket("/") as ws:
                said = chalice_gateway.http().post("/say/hello").json()
                assert said == {"domains": [os.environ["WS_DOMAIN"]]}
                assert ws.receive_text() == "hello"
                assert chalice_gateway.http().post("/post/again").status_code == 200
                assert ws.receive_text() == "again"
            invoked = boto3.client("lambda").invoke(FunctionName=os.environ["REPORT"])
            assert json.loads(invoked["Payload"].read()) == os.environ["REPORT"] == "push-dev-report"
            sqs, sns = boto3.client("sqs"), boto3.client("sns")
            assert sqs.create_queue(QueueName="orders")["QueueUrl"] == os.environ["QUEUE"]
            assert sns.create_topic(Name="news")["TopicArn"] == os.environ["TOPIC"]
            assert dynamodb_tables["Log"].latest_stream_arn == os.environ["STREAM"]
            streams = boto3.client("dynamodbstreams")
            described = streams.describe_stream(StreamArn=os.environ["STREAM"])["StreamDescription"]
            assert described["StreamArn"] == os.environ["STREAM"]
            dynamodb_tables["Log"].put_item(Item={"id": "1"})
            (event,) = chalice_gateway.deliver_events()
            assert event.event["Records"][0]["eventSourceARN"] == os.environ["STREAM"]

        @pytest.mark.chalice(env={"WS_DOMAIN": "{websocket:domain}:443"})
        def test_in_a_mark(chalice_gateway):
            with chalice_gateway.websocket("/") as ws:
                assert chalice_gateway.http().post("/say/hello").status_code == 200
                assert ws.receive_text() == "hello"

        def test_another_app_has_its_own(chalice_gateway):
            own, other = (each.http().get("/variables").json() for each in (
                chalice_gateway, chalice_gateway.of("other")))
            assert own["WS_ID"] != other["WS_ID"] and own["STREAM"] != other["STREAM"]
            assert (own["WS_ID"] in own["WS_URL"], other["WS_ID"] in other["WS_URL"]) == (True, True)
            with chalice_gateway.of("other").websocket("/") as ws:
                said = chalice_gateway.of("other").http().post("/say/hello").json()
                assert said["domains"] == [other["WS_DOMAIN"]]
                assert ws.receive_text() == "hello"

        @pytest.mark.chalice(env={"V": "{function:reprot}"})
        def test_a_misspelt_function(chalice_gateway):
            pass
    """
}


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_the_values_are_answered_in_tests(stranger: Stranger, target: str) -> None:
    write_pushing(stranger.root)
    write_pushing(stranger.root / "other", "other-log")
    result = stranger.test(f"--sessionplugin-target={target}", **TESTS)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*V = '{function:reprot}': there is no function reprot; did you mean report?*"])


@pytest.mark.process
def test_a_served_app_knows_its_ports(tmp_path: Path) -> None:
    import json
    import urllib.request

    import websockets.sync.client

    with sessionplugin_serve(write_pushing(tmp_path)) as served:
        with urllib.request.urlopen(f"{served.http}/variables") as answer:  # noqa: S310
            told = json.load(answer)
        assert (told["REST_URL"], told["WS_URL"]) == (f"{served.http}/api", f"{served.websocket}/api")
        with urllib.request.urlopen(f"{told['REST_URL']}/variables") as answer:  # noqa: S310
            assert json.load(answer) == told
        with websockets.sync.client.connect(told["WS_URL"]) as ws:
            for said in ("say", "post"):
                request = urllib.request.Request(f"{served.http}/{said}/hello", method="POST")  # noqa: S310
                with urllib.request.urlopen(request) as answer:  # noqa: S310
                    assert answer.status == 200
                assert ws.recv(5) == "hello"
