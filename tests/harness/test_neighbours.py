"""Two Chalice projects of a stranger's repository in one test, and functions that each have an app of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sessionplugin.app.isolation import View, views_in_use
from tests.strangers import Stranger

BOTH = ["inprocess", "sockets"]

APP = """
import importlib
import os
import threading

import boto3
from chalice import Chalice

from chalicelib import rules

app = Chalice("WHO")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
AT_IMPORT = os.environ["TABLE_NAME"]


def everything():
    from chalicelib import lazy
    seen = []
    thread = threading.Thread(target=lambda: seen.append(os.environ["TABLE_NAME"]))
    thread.start()
    thread.join()
    return {
        "rules": rules.NAME,
        "lazy": lazy.NAME,
        "by name": importlib.import_module("chalicelib.lazy").NAME,
        "app": __import__("app").app.app_name,
        "module": lazy.Thing.__module__,
        "at import": AT_IMPORT,
        "table": os.environ["TABLE_NAME"],
        "thread": seen[0],
        "only": os.environ.get("ONLY_WHO"),
        "others": [name for name in os.environ if name.startswith("ONLY_")],
        "copy": os.environ.copy()["TABLE_NAME"],
        "set in a test": os.environ.get("SET_IN_A_TEST"),
    }


@app.route("/")
def index():
    return everything()


@app.route("/count/{key}", methods=["POST"])
def count(key):
    table.update_item(Key={"name": key}, UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": 1})
    return {}


@app.route("/post/{connection}", methods=["POST"])
def post(connection):
    said = app.current_request.json_body
    client = boto3.client("apigatewaymanagementapi", endpoint_url=said["endpoint"])
    client.post_to_connection(ConnectionId=connection, Data=b"from WHO")
    return {}


@app.route("/bug")
def bug():
    raise ZeroDivisionError("a bug of WHO")


@app.on_ws_message()
def message(event):
    if event.body == "where":
        answer = f"https://{event.domain_name}/{event.stage}"
    else:
        answer = event.body + " " + os.environ["TABLE_NAME"] + " " + everything()["lazy"]
    app.websocket_api.send(event.connection_id, answer)
"""

LAZY = """
import dataclasses

NAME = "WHO"


@dataclasses.dataclass
class Thing:
    field: "str"
"""


def write(root: Path, name: str, table: str | None = None, settings: str = "") -> None:
    for folder in (".chalice", "chalicelib"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "app.py").write_text(APP.replace("WHO", name))
    (root / "chalicelib" / "__init__.py").touch()
    (root / "chalicelib" / "rules.py").write_text(f"NAME = '{name}'\n")
    (root / "chalicelib" / "lazy.py").write_text(LAZY.replace("WHO", name))
    properties = {
        "TableName": table or name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
    }
    resources = {"Counts": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}
    (root / ".chalice" / "resources.json").write_text(json.dumps({"Resources": resources}))
    variables = {"environment_variables": {f"ONLY_{name}": "yes"}}
    config = {"version": "2.0", "app_name": name, "stages": {"dev": variables}}
    (root / ".chalice" / "config.json").write_text(json.dumps(config))
    (root / "pyproject.toml").write_text(
        f'[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n\n'
        f'[tool.sessionplugin.env]\nTABLE_NAME = "{{table:Counts}}"\n\n{settings}'
    )


@pytest.fixture
def pair(stranger: Stranger) -> Stranger:
    write(stranger.root, "chat")
    write(stranger.root / "services" / "orders", "orders")
    return stranger


@pytest.mark.parametrize("target", BOTH)
def test_each_project_has_its_own_of_everything_in_one_aws(pair: Stranger, target: str) -> None:
    body = """
        import os
        import sys
        import threading

        import pytest

        def seen_by(name):
            return {
                "rules": name, "lazy": name, "by name": name, "app": name,
                "module": "chalicelib.lazy" if name == "chat" else "chalicelib@orders.lazy",
                "at import": name, "table": name, "thread": name, "only": "yes", "others": [f"ONLY_{name}"],
                "copy": name, "set in a test": "by a test",
            }

        def test_http(chalice_gateway, chalice_app, monkeypatch):
            monkeypatch.setenv("SET_IN_A_TEST", "by a test")
            orders = chalice_gateway.of("services/orders")
            assert orders is chalice_gateway.of(os.path.abspath("services/orders")) is orders.of("services/orders")
            assert chalice_gateway.of(".") is chalice_gateway is orders.of(".")
            for _ in range(2):
                assert chalice_gateway.http().get("/").json() == seen_by("chat")
                assert orders.http().get("/").json() == seen_by("orders")
            import app
            from chalicelib import lazy
            assert app.app is chalice_app and lazy.NAME == "chat"
            monkeypatch.setattr("app@orders.AT_IMPORT", "patched")
            at_import = [each.http().get("/").json()["at import"] for each in (chalice_gateway, orders)]
            assert at_import == ["chat", "patched"]
            assert os.environ["TABLE_NAME"] == "chat"

        def test_tables(chalice_gateway, dynamodb_tables, jwt_tokens, aws_calls):
            counts = dynamodb_tables.of("services/orders")["Counts"]
            orders = chalice_gateway.of("services/orders")
            assert orders.tables is dynamodb_tables.of("services/orders")
            assert orders.tokens is jwt_tokens.of("services/orders")
            assert (chalice_gateway.tables, chalice_gateway.tokens) == (dynamodb_tables, jwt_tokens)
            assert (counts.name, dynamodb_tables["Counts"].name) == ("orders", "chat")
            with aws_calls.exactly(dynamodb=1):
                chalice_gateway.of("services/orders").http().post("/count/a")
            assert [table.scan()["Count"] for table in (counts, dynamodb_tables["Counts"])] == [1, 0]
            assert dynamodb_tables.of(".") is dynamodb_tables is dynamodb_tables.of("services/orders").of(".")

        def test_tables_begin_anew(dynamodb_tables):
            assert dynamodb_tables.of("services/orders")["Counts"].scan()["Count"] == 0

        def test_either_posts_to_the_other_s_connections(chalice_gateway):
            orders = chalice_gateway.of("services/orders")
            for here, there, name in ((chalice_gateway, orders, "chat"), (orders, chalice_gateway, "orders")):
                with there.websocket() as socket:
                    socket.send_text("where")
                    endpoint = socket.receive_text()
                    path = f"/post/{socket.connection_id}"
                    for _ in range(3):
                        assert here.http().post(path, json={"endpoint": endpoint}).status_code == 200
                        assert socket.receive_text() == f"from {name}"
                    socket.receive_nothing()
                    unknown = endpoint.replace("w3bs0c", "nobody")
                    assert here.http().post(path, json={"endpoint": unknown}).status_code == 500
                    assert [seen.reply.status for seen in here.trace if seen.reply and seen.reply.status == 403]

        def test_handlers_in_parallel_see_their_own(chalice_gateway):
            gateways = {"chat": chalice_gateway, "orders": chalice_gateway.of("services/orders")}
            wrong = []

            def work(number):
                name = ("chat", "orders")[number % 2]
                with gateways[name].websocket() as socket:
                    for turn in range(25):
                        socket.send_text(str(turn))
                        answer = socket.receive_text()
                        if answer != f"{turn} {name} {name}":
                            wrong.append(answer)
                    seen = gateways[name].http().get("/").json()
                    if seen != {**seen_by(name), "set in a test": None}:
                        wrong.append(seen)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert wrong == []

        def test_calls_and_faults_are_those_of_both_and_name_whose(chalice_gateway, aws_calls, aws_faults):
            orders = chalice_gateway.of("services/orders")
            for gateway in (chalice_gateway, orders):
                gateway.http().post("/count/a")
            assert [call.function for call in aws_calls] == ["api_handler", "orders:api_handler"]
            with chalice_gateway.websocket() as mine, orders.websocket() as theirs:
                aws_faults.timed_out("orders:message", times=1)
                with aws_faults.slow(theirs.connection_id):
                    mine.send_text("x")
                    theirs.send_text("x")
                    assert mine.receive_text() == "x chat chat"
                    theirs.receive_nothing()
                assert [theirs.receive_text() for _ in range(2)][0] == "x orders orders"

        def test_a_race_of_both(chalice_gateway, aws_race):
            gateways = [chalice_gateway, chalice_gateway.of("services/orders")]
            posts = [lambda each=each: each.http().post("/count/a").status_code for each in gateways]
            with aws_race("dynamodb:UpdateItem", parties=2) as race:
                assert race.run(*posts) == [200, 200]
            seen = "2 of 3 calls came to .* .in api_handler, orders:api_handler., and nothing else was running"
            with aws_race("dynamodb:UpdateItem", parties=3) as race:
                with pytest.raises(Exception, match=seen):
                    race.run(*posts)

        def test_nothing_is_left():
            assert not [name for name in sys.modules if "@" in name]
            assert not [name for name in os.environ if name.startswith(("TABLE_", "ONLY_"))]
            assert not [path for path in sys.path if path.endswith("orders")]
            assert type(os.environ._data) is dict is type(os.environb._data)
    """
    pair.test(f"--sessionplugin-target={target}", test_it=body).assert_outcomes(passed=8)


def test_what_is_wrong_or_left_says_whose_it_is(pair: Stranger) -> None:
    write(pair.root / "services" / "rival", "rival", table="chat")
    body = """
        import pytest

        def test_left(chalice_gateway):
            chalice_gateway.of("services/orders").websocket()

        def test_failed(chalice_gateway):
            chalice_gateway.http().get("/bug")
            chalice_gateway.of("services/orders").http().get("/bug")
            assert not "a failure"

        def test_no_project(chalice_gateway):
            chalice_gateway.of("services/nowhere")

        def test_table_used_twice(dynamodb_tables):
            dynamodb_tables.of("services/rival")

        def test_outside(jwt_tokens, dynamodb_tables):
            test_outside.kept = jwt_tokens, dynamodb_tables

        def test_outside_of_its_test():
            from pytest_sessionplugin import SessionPluginError
            for kept in test_outside.kept:
                with pytest.raises(SessionPluginError, match="outside of its test"):
                    kept.of("services/orders")
    """
    result = pair.test(test_it=body)
    result.assert_outcomes(passed=3, failed=3, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_left*",
            "1 WebSocket still open: *",
            "*_ test_failed _*",
            "*- gateway -*",
            "*  chat    http   GET /bug*",
            "*ZeroDivisionError: a bug of chat",
            "*  orders  http   GET /bug*",
            "*ZeroDivisionError: a bug of orders",
            "*  orders  http   -> 500*",
            "*_ test_no_project _*",
            "*ProjectError: */services/nowhere is not a Chalice project: it has no app.py. of() takes the *",
            "*_ test_table_used_twice _*",
            "*TemplateError: a table name used twice: chat is Counts of * and Counts of */services/rival. *",
        ]
    )


@pytest.mark.interpreter
def test_tokens_are_those_of_the_project_s_own_settings(pair: Stranger) -> None:
    """One key for an issuer, as on AWS: a token of another issuer is not accepted."""
    for name, issuer in (("orders", "https://other.test"), ("partner", "https://tokens.test")):
        settings = f'[tool.sessionplugin.tokens]\nissuer = "{issuer}"\naudience = "{name}"\n'
        write(pair.root / "services" / name, name, settings=settings)
    body = """
        import jwt

        def test_it(jwt_tokens):
            orders, partner = jwt_tokens.of("services/orders"), jwt_tokens.of("services/partner")
            assert jwt_tokens.of(".") is jwt_tokens is orders.of(".")
            claims = jwt.decode(orders("alice"), orders.secret, ["HS256"], audience="orders")
            assert claims["iss"] == "https://other.test"
            assert partner.secret == jwt_tokens.secret != orders.secret

        def test_without_aws():
            import sys
            assert "moto" not in sys.modules
    """
    pair.test(test_it=body).assert_outcomes(passed=2)


SHARED = """
import os
import sys
from chalice import Chalice

from chalicelib import state

app = Chalice("shared")
app.experimental_feature_flags.add("WEBSOCKETS")
SEEN = []
TOLD = os.environ["GREETING"]


@app.route("/")
def index():
    return {"seen": SEEN, "state": state.SEEN, "told": TOLD}


@app.on_ws_connect()
def connect(event):
    SEEN.append("connect")


@app.on_ws_message()
def message(event):
    from chalicelib import state
    SEEN.append("message")
    state.SEEN.append("message")


@app.on_ws_disconnect()
def disconnect(event):
    from chalicelib import state
    sys.last_left = state.__name__


@app.lambda_function()
def sweep(event, context):
    app.log.error("swept by %s", TOLD)
    return {"seen": SEEN, "told": TOLD}
"""


@pytest.mark.parametrize("target", BOTH)
def test_isolated_functions_share_no_global_and_others_do(stranger: Stranger, target: str) -> None:
    (stranger.root / "chalicelib").mkdir()
    (stranger.root / "chalicelib" / "__init__.py").touch()
    (stranger.root / "chalicelib" / "state.py").write_text("SEEN = []")
    (stranger.root / "app.py").write_text(SHARED)
    body = """
        import sys

        import pytest

        def talk(gateway):
            with gateway.websocket() as socket:
                socket.send_text("x")
                gateway.settle()
            return gateway.http().get("/").json()

        def test_together(chalice_gateway):
            seen = talk(chalice_gateway)
            assert (seen["seen"], seen["state"]) == (["connect", "message"], ["message"])

        @pytest.mark.chalice(isolation="function")
        class TestIsolated:
            def test_each_its_own(self, monkeypatch, chalice_app, chalice_gateway, caplog):
                monkeypatch.setenv("GREETING", "told late")
                assert talk(chalice_gateway) == {"seen": [], "state": [], "told": "hello"}
                assert chalice_gateway.invoke("sweep") == {"seen": [], "told": "told late"}
                assert "swept by told late" in caplog.messages
                chalice_gateway.settle()  # $disconnect, too, has run in its own copy
                assert {name for name in sys.modules if name.startswith("app")} == {
                    "app", *(f"app@chat:{name}" for name in ("connect", "message", "disconnect", "sweep"))}
                import app
                assert app.app is chalice_app
                monkeypatch.setattr(app, "SEEN", ["patched"])
                assert talk(chalice_gateway)["seen"] == ["patched"]
                import importlib
                assert importlib.import_module("app@chat:message").SEEN == ["message", "message"]

            @pytest.mark.chalice(isolation="app")
            def test_said_nearer(self, chalice_gateway):
                assert "message" in talk(chalice_gateway)["seen"]

            def test_a_socket_that_is_left(self, chalice_gateway):
                chalice_gateway.websocket()

        def test_nothing_is_left_and_the_last_handler_was_still_apart():
            assert not [name for name in sys.modules if "@" in name]
            assert sys.last_left == "chalicelib@chat:disconnect.state"

        @pytest.mark.chalice(isolation="process")
        def test_wrong(chalice_gateway):
            pass
    """
    result = stranger.test(f"--sessionplugin-target={target}", test_it=body)
    result.assert_outcomes(passed=5, errors=2)
    result.stdout.fnmatch_lines(
        ["1 WebSocket still open*", "@pytest.mark.chalice: isolation: there is no 'process'; there are app, function"]
    )


def test_child_processes_have_the_environment_of_the_process_or_the_one_they_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SHARED", "EVERYBODYS"):
        monkeypatch.setenv(name, "process")
    orders = View({"SHARED": "orders", "OWN": "orders"}, hidden=())
    program = "import os; print(os.environ.get('SHARED'), os.environ.get('OWN'), os.environ.get('EVERYBODYS'))"
    with views_in_use(), orders.within():
        os.environ["SHARED"] = "changed"
        del os.environ["EVERYBODYS"]
        seen = [
            subprocess.run([sys.executable, "-Sc", program], env=env, capture_output=True, text=True, check=True).stdout
            for env in (None, os.environ)
        ]
    assert seen == ["process None process\n", "changed orders None\n"]


def test_copies_of_apps_are_gone_when_their_tests_are(pair: Stranger) -> None:
    """pytest keeps its items until the session ends: a kit that one of them holds keeps 8 MB of app."""
    body = """
        import gc
        import pytest
        from chalice import Chalice

        def use(gateway):
            gateway.http().get("/")
            gateway.of("services/orders").http().get("/")

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_neighbours(chalice_gateway):
            use(chalice_gateway)

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        @pytest.mark.chalice(isolation="function")
        def test_functions(chalice_gateway):
            use(chalice_gateway)
            with chalice_gateway.websocket() as ws:
                ws.send_text("x")

        @pytest.mark.chalice(fresh=True)
        def test_fresh(chalice_gateway, chalice_load):
            use(chalice_gateway)
            chalice_load("app")

        def test_the_one_app_is_left(chalice_app):
            gc.collect()
            assert [it for it in gc.get_objects() if isinstance(it, Chalice)] == [chalice_app]
    """
    pair.test(test_it=body).assert_outcomes(passed=6)


def test_what_a_disconnect_at_the_end_asks_of_another_app_still_finds_its_modules(pair: Stranger) -> None:
    app = pair.root / "app.py"
    app.write_text(f"{app.read_text()}\n\n@app.on_ws_disconnect()\ndef gone(event):\n    import sys; sys.gone()\n")
    body = """
        import sys
        import pytest

        @pytest.mark.chalice(allow="open_sockets")
        def test_a_socket_that_is_left(chalice_gateway):
            orders = chalice_gateway.of("services/orders").http()
            sys.answers = []
            sys.gone = lambda: sys.answers.append(orders.get("/").json()["lazy"])
            chalice_gateway.websocket()

        def test_its_handler_ran():
            assert sys.answers == ["orders"]
    """
    pair.test(test_it=body).assert_outcomes(passed=2)


COUNTED = """
import os
from chalice import Chalice

app = Chalice("counted")
os.environ["IMPORTS"] = str(int(os.environ.get("IMPORTS", "0")) + 1)


@app.route("/")
def index():
    return os.environ["IMPORTS"]


@app.lambda_function()
def sweep(event, context):
    return os.environ["IMPORTS"]
"""


def test_what_the_import_of_an_isolated_function_sets_is_its_own(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(COUNTED)
    body = """
        import os

        import pytest

        @pytest.mark.chalice(isolation="function")
        def test_each_its_own(chalice_gateway):
            assert chalice_gateway.http().get("/").text == "1"
            assert chalice_gateway.invoke("sweep") == "1"
            assert "IMPORTS" not in os.environ
    """
    stranger.test(test_it=body).assert_outcomes(passed=1)
