"""The fixtures in a stranger's project, each run in a pytest of its own."""

from __future__ import annotations

import json
import textwrap
from typing import cast

import pytest

from tests.strangers import APP, PYPROJECT, TABLE, Stranger, write_project

BOTH = ["inprocess", "sockets"]


@pytest.mark.parametrize("target", BOTH)
def test_http_websocket_tables_calls_and_logs_work_together(stranger: Stranger, target: str) -> None:
    body = """
        import os
        import pytest
        from pytest_sessionplugin import Gateway, WebSocket

        def test_http(chalice_gateway, dynamodb_tables, aws_calls, caplog):
            assert isinstance(chalice_gateway, Gateway)
            with aws_calls.exactly(dynamodb=2):
                answer = chalice_gateway.http().post("/rooms/a")
            assert answer.json() == {"people": 1, "greeting": "hello"}
            assert dynamodb_tables["Rooms"].get_item(Key={"name": "a"})["Item"]["people"] == 1
            assert "somebody enters a" in caplog.messages

        def test_tables_begin_anew(dynamodb_tables):
            assert dynamodb_tables["Rooms"].scan()["Count"] == 0

        def test_websocket(chalice_gateway):
            with chalice_gateway.websocket() as socket:
                assert isinstance(socket, WebSocket)
                socket.send_text("hi")
                assert socket.receive_text() == "echo hi"
                # aws/chalice#1991: only WebSocket functions know the endpoint
                assert chalice_gateway.http().post(f"/push/{socket.connection_id}").status_code == 500

        def test_faults(chalice_gateway, aws_faults, aws_calls):
            aws_faults.throttled("dynamodb:UpdateItem", times=2)
            assert chalice_gateway.http().post("/rooms/a").json()["people"] == 1
            assert aws_calls.retries == 2

        @pytest.fixture
        def room(chalice_gateway):
            with chalice_gateway.websocket() as socket:
                yield socket

        def test_a_socket_of_a_fixture_is_not_left_open(room):
            room.send_text("hi")
            assert room.receive_text() == "echo hi"

        def test_nothing_is_left(request):
            assert "ROOMS_TABLE" not in os.environ and "AWS_ACCESS_KEY_ID" not in os.environ
    """
    stranger.test(f"--sessionplugin-target={target}", test_it=body).assert_outcomes(passed=6)


def test_a_mark_runs_one_body_on_several_targets_and_only_that_test_has_a_bracket(stranger: Stranger) -> None:
    body = """
        import pytest

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_both(chalice_gateway, request):
            assert (chalice_gateway.urls is None) == ("inprocess" in request.node.name)

        @pytest.mark.chalice(targets=["sockets"])
        def test_one(chalice_gateway):
            assert chalice_gateway.urls.http.startswith("http://127.0.0.1:")

        def test_none(chalice_gateway):
            assert chalice_gateway.urls is None

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_without_the_plugin():
            pass
    """
    result = stranger.test("-v", test_it=body)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        [
            "*::test_both[[]inprocess[]] PASSED*",
            "*::test_both[[]sockets[]] PASSED*",
            "*::test_one[[]sockets[]] PASSED*",
            "*::test_none PASSED*",
            "*::test_without_the_plugin PASSED*",
        ]
    )


def test_a_marked_target_that_cannot_be_had_skips_with_the_reason(stranger: Stranger) -> None:
    conftest = """
        import importlib.util
        found = importlib.util.find_spec
        importlib.util.find_spec = lambda name, package=None: None if name == "h11" else found(name, package)
    """
    body = """
        import pytest
        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_it(chalice_gateway): pass
    """
    result = stranger.test("-rs", conftest=conftest, test_it=body)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*real sockets need h11: pip install 'pytest-sessionplugin[[]sockets]'"])


# --- the app


def test_the_app_is_one_for_all_tests_and_a_fresh_one_is_for_one(stranger: Stranger) -> None:
    body = """
        import sys
        import pytest
        seen = {}

        def test_first(chalice_app):
            import app
            assert app.app is chalice_app
            seen["app"] = chalice_app

        @pytest.mark.chalice(fresh=True)
        def test_fresh(chalice_app, chalice_gateway):
            import app
            assert app.app is chalice_app is not seen["app"]
            assert chalice_gateway.http().get("/rooms/a").status_code == 200

        @pytest.mark.chalice(env={"GREETING": "told", "ROOMS_TABLE": "{table:Rooms}"})
        def test_told(chalice_gateway):
            assert chalice_gateway.http().get("/rooms/a").json()["greeting"] == "told"

        def test_the_same_again(chalice_app, chalice_gateway):
            import app
            assert app.app is chalice_app is seen["app"]
            assert chalice_gateway.http().get("/rooms/a").json()["greeting"] == "hello"

        def test_a_patch_reaches_what_the_gateway_runs(chalice_gateway, monkeypatch):
            monkeypatch.setattr("app.table", None)
            assert chalice_gateway.http().get("/rooms/a").status_code == 500
    """
    stranger.test(test_it=body).assert_outcomes(passed=5)


def test_any_module_can_be_loaded_afresh_and_all_is_put_back(stranger: Stranger) -> None:
    library = stranger.root / "chalicelib"
    library.mkdir()
    (library / "__init__.py").touch()
    (library / "settings.py").write_text("import os\nGREETING = os.environ['GREETING']\nos.environ['LEFT'] = '1'\n")
    (stranger.root / "app.py").write_text(
        APP
        + "\n\n@app.route('/late')\ndef late():\n    from chalicelib import settings\n    return settings.GREETING\n"
    )
    body = """
        import os, sys
        import pytest

        def test_load(chalice_load, monkeypatch):
            path = list(sys.path)
            monkeypatch.setenv("GREETING", "first")
            first = chalice_load("chalicelib.settings")
            monkeypatch.setenv("GREETING", "second")
            second = chalice_load("chalicelib.settings")
            assert (first.GREETING, second.GREETING) == ("first", "second")
            from chalicelib import settings
            assert settings is second

        @pytest.mark.chalice(env={"GREETING": "late"})
        def test_what_a_handler_imports_late_is_of_its_copy(chalice_gateway, chalice_load):
            assert chalice_gateway.http().get("/late").text == "late"
            chalice_load("chalicelib.settings").GREETING = "other"
            assert chalice_gateway.http().get("/late").text == "late"

        def test_nothing_is_left():
            assert not [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib")]
            assert "LEFT" not in os.environ and "GREETING" not in os.environ

        def test_only_what_is_deployed_can_be_loaded(chalice_load):
            chalice_load("os")
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*ProjectError: os is not a module of *, as app and chalicelib are."])


def test_what_a_test_sets_before_it_asks_does_not_reach_the_app_of_all_tests(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(APP + "\nTOLD = os.environ['GREETING']\n")
    body = """
        import os
        import pytest

        @pytest.fixture
        def told(monkeypatch, aws_calls):
            monkeypatch.setenv("GREETING", "mine")
            monkeypatch.setenv("AWS_REGION", os.environ["AWS_REGION"])

        def test_it(told, chalice_app):
            import app
            assert (app.TOLD, os.environ["GREETING"]) == ("hello", "mine")

        def test_and_nothing_of_ours_comes_back_with_its_undoing():
            assert "GREETING" not in os.environ and "AWS_REGION" not in os.environ
    """
    stranger.test(test_it=body).assert_outcomes(passed=2)


def test_an_app_that_cannot_be_loaded_is_a_sentence_and_its_own_traceback(stranger: Stranger) -> None:
    apps = {
        "raises": "import os\nos.environ['SECRET']\n",
        "exits": "import sys\nsys.exit('no secret')\n",
        "other": "app = 1\n",
    }
    for name, app in apps.items():
        root = write_project(stranger.root / name, app)
        (root / "__init__.py").touch()
        (root / "conftest.py").write_text(
            "import pathlib, pytest\n@pytest.fixture(scope='session')\ndef chalice_project():\n"
            "    return pathlib.Path(__file__).parent\n"
        )
        (root / "test_it.py").write_text("def test_it(chalice_app): pass\n")
    result = stranger.test(*apps)
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            "importing app of */raises raised KeyError: 'SECRET'. SECRET is not set: give it in *",
            "*raised in the project*",
            '  File "*raises/app.py", line 2, in <module>',
            "KeyError: 'SECRET'",
            "importing app of */exits raised SystemExit: no secret",
            "*other/app.py has no Chalice object named app, which is what Chalice deploys.",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_sessionplugin/harness/local.py*")


def test_a_folder_without_an_app_is_a_sentence(stranger: Stranger) -> None:
    result = stranger.test("--sessionplugin-project=..", test_it="def test_it(jwt_tokens): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["* is not a Chalice project: it has no app.py. Name a folder that has app.py and *"])


def test_claims_by_default_are_named_where_the_app_refused_a_token_and_not_where_no_route_was_found(
    stranger: Stranger,
) -> None:
    (stranger.root / "pyproject.toml").write_text(PYPROJECT.partition("[tool.sessionplugin.tokens]")[0])
    (stranger.root / "app.py").write_text(
        "from chalice import Chalice, ForbiddenError\n\napp = Chalice('chat')\n\n\n"
        "@app.route('/rooms')\ndef rooms():\n    raise ForbiddenError()\n"
    )
    body = """
        def test_refused(chalice_gateway, jwt_tokens):
            chalice_gateway.get("/rooms", token=jwt_tokens("alice")).raise_for_status()

        def test_not_found(chalice_gateway, jwt_tokens):
            chalice_gateway.get("/room", token=jwt_tokens("alice")).raise_for_status()
    """
    shown = stranger.test(test_it=body).stdout.str()
    refused, _, not_found = shown.partition("test_not_found")
    title = "issuer and audience of the tokens"
    assert (title in refused, title in not_found) == (True, False)
    assert "no route matches GET /room" in not_found


def test_another_module_named_app_is_a_sentence(stranger: Stranger) -> None:
    elsewhere = stranger.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "app.py").touch()
    body = """
        import sys
        sys.path.insert(0, "elsewhere")
        import app
        def test_it(chalice_app): pass
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*app.py cannot be imported: another module named app is, from *elsewhere/app.py. Give its tests an app of "
            "their own: pytestmark = pytest.mark.chalice(fresh=True)."
        ]
    )
    mark = "import pytest\npytestmark = pytest.mark.chalice(fresh=True)\n"
    stranger.test(test_it=mark + textwrap.dedent(body)).assert_outcomes(passed=1)


SERVICE = """
import config
from chalice import Chalice

app = Chalice(app_name=config.NAME, configure_logs=False)

@app.route("/")
def index():
    import late
    return late.NAME
"""

OF_A_SERVICE = """
import sys
import pytest

def test_it(chalice_gateway, chalice_app):
    assert chalice_gateway.http().get("/").text == chalice_app.app_name == "NAME"
    import app, config
    assert app.app is chalice_app
    assert config.NAME == "NAME"

def test_the_same_again(chalice_load, chalice_app):
    assert chalice_load("config").NAME == chalice_app.app_name == "NAME"
"""


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_several_projects_in_one_run_have_each_their_own_modules(stranger: Stranger, mode: str) -> None:
    for name in ("users", "orders", "bills"):
        root = write_project(stranger.root / name, SERVICE)
        (root / "config.py").write_text(f"NAME = {name!r}\n")
        (root / "late.py").write_text("from config import NAME\n")
        (root / "conftest.py").write_text(
            "import pathlib, pytest\n@pytest.fixture(scope='session')\ndef chalice_project():\n"
            "    return pathlib.Path(__file__).parent\n"
        )
        (root / f"test_{name}.py").write_text(OF_A_SERVICE.replace('NAME"', f'{name}"'))
    stranger.test(f"--import-mode={mode}", "users", "orders", "bills").assert_outcomes(passed=6)


def test_several_projects_in_one_run_have_each_their_own_tables(stranger: Stranger) -> None:
    for name in ("users", "orders"):
        root = write_project(stranger.root / name)
        more = {**TABLE, "Properties": {**cast(dict[str, object], TABLE["Properties"]), "TableName": name}}
        (root / ".chalice/resources.json").write_text(json.dumps({"Resources": {"Rooms": TABLE, name.title(): more}}))
        (root / "conftest.py").write_text(
            f"import pytest\n@pytest.fixture(scope='session')\ndef chalice_project():\n    return {name!r}\n"
        )
        (root / f"test_{name}.py").write_text(
            f"def test_it(dynamodb_tables):\n    assert list(dynamodb_tables) == ['Rooms', {name.title()!r}]\n"
        )
    stranger.test("--import-mode=importlib", "users", "orders").assert_outcomes(passed=2)


EARLY = """

import boto3
table = boto3.resource("dynamodb").Table("rooms-us-east-1")
TOLD = os.environ.get("GREETING")

@app.route("/names")
def names():
    return [item["name"] for item in table.scan()["Items"]]
"""

EARLY_TEST = """
    import pytest
    import app as mine

    def test_used_as_it_is(chalice_gateway, chalice_app):
        assert chalice_app is mine.app
        assert chalice_gateway.http().get("/names").json() == []

    @pytest.mark.chalice(fresh=True)
    def test_a_copy(chalice_gateway):
        assert chalice_gateway.http().get("/names").json() == []
        assert False
"""

EARLY_SECTION = "*app.py was imported early*"


def test_an_app_that_a_test_file_imported_is_used_and_a_failing_test_tells_what_it_lacks(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stranger.root / "app.py").write_text(APP + EARLY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("ROOMS_TABLE", "rooms-us-east-1")
    result = stranger.test(test_it=EARLY_TEST)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            EARLY_SECTION,
            "A test file or conftest.py imported app.py before any test had an environment: without the values of "
            "EVERYWHERE, GREETING and in eu-west-1 in place of us-east-1. Clients *(fresh=True).",
        ]
    )
    assert sum("app.py was imported early" in line for line in result.stdout.lines) == 1  # not of the copy


@pytest.mark.parametrize("early", ["boto3.resource('dynamodb')", "os.environ['GREETING']"])
def test_an_app_that_fails_while_tests_are_collected_is_told_why(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch, early: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    (stranger.root / "app.py").write_text(f"import boto3, os\n{early}\n")
    result = stranger.test(test_it="import app")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([EARLY_SECTION, "While tests are collected, an app has neither a region nor *"])
    result = stranger.test(test_it=f"import boto3, os\n{early}\n")  # the test's own mistake
    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line(EARLY_SECTION)


# --- what a team overrides


def test_a_team_overrides_what_the_session_begins_with(stranger: Stranger) -> None:
    project = stranger.root / "service"
    project.mkdir()
    for name in ("app.py", ".chalice"):
        (stranger.root / name).rename(project / name)
    conftest = """
        import pathlib
        import pytest

        @pytest.fixture(scope="session")
        def chalice_project():
            return pathlib.Path(__file__).parent / "service"

        @pytest.fixture(scope="session")
        def chalice_env():
            return {"GREETING": "from {table:Other}"}

        @pytest.fixture(scope="session")
        def dynamodb_specs(dynamodb_specs):
            return {**dynamodb_specs, "Other": {**dynamodb_specs["Rooms"], "TableName": "other"}}

        @pytest.fixture(scope="session")
        def dynamodb_seed():
            return {"Rooms": [{"name": "a", "people": 7}]}

        @pytest.fixture
        def dynamodb_tables():
            return "a fixture of the team's, of the same name"

        @pytest.fixture
        def jwt_tokens():
            return "another one"
    """
    body = """
        import pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_it(chalice_gateway, dynamodb_tables, jwt_tokens, time):
            assert chalice_gateway.http().post("/rooms/a").json() == {"people": 8, "greeting": "from other"}
            assert dynamodb_tables.startswith("a fixture of the team's")
    """
    stranger.test(conftest=conftest, test_it=body).assert_outcomes(passed=2)


def test_tokens_say_what_the_table_says_and_the_app_is_told(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(APP + "\nJWKS, PEM = os.environ['JWKS'], os.environ['PEM']\n")
    (stranger.root / "pyproject.toml").write_text(
        PYPROJECT + 'JWKS = "{token:jwks_url}"\nPEM = "{token:public_key}"\n\n'
        '[tool.sessionplugin.tokens]\nalgorithm = "ES256"\nissuer = "https://issuer.test"\naudience = "chat"\n'
    )
    body = """
        import jwt

        def read(token):
            import app
            key = jwt.PyJWKClient(app.JWKS).get_signing_key_from_jwt(token)
            assert token.count(".") == 2 and app.PEM.startswith("-----BEGIN PUBLIC KEY")
            return jwt.decode(token, key.key, ["ES256"], audience="chat", issuer="https://issuer.test")

        def test_first(chalice_app, jwt_tokens):
            jwt_tokens.rotate()
            assert read(jwt_tokens("alice"))["sub"] == "alice"

        def test_second(chalice_app, jwt_tokens):
            assert len(jwt_tokens.jwks["keys"]) == 1
            assert read(jwt_tokens("alice"))["sub"] == "alice"
    """
    stranger.test(test_it=body).assert_outcomes(passed=2)


@pytest.mark.interpreter
def test_tokens_alone_load_neither_the_app_nor_aws(stranger: Stranger) -> None:
    body = """
        import sys
        def test_it(jwt_tokens):
            assert jwt_tokens("alice")
            assert not {"app", "moto", "boto3", "botocore"} & set(sys.modules)
    """
    stranger.test(test_it=body).assert_outcomes(passed=1)


# --- what a failed test shows


def test_a_failed_test_shows_what_crossed_the_gateway_was_asked_of_aws_and_logged_and_the_tracebacks(
    stranger: Stranger,
) -> None:
    body = """
        def test_it(chalice_gateway):
            chalice_gateway.http().post("/rooms/a")
            assert chalice_gateway.http().get("/bug").status_code == 500
            with chalice_gateway.websocket() as socket:
                socket.send_text("bug")
                assert "Internal server error" in socket.receive_text()
                socket.send_text("hi")
                assert socket.receive_text() == "this"
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- gateway -*",
            "*http   POST /rooms/a*",
            "*log    ERROR somebody enters a",
            "*aws    dynamodb:UpdateItem rooms-us-east-1 {name: a} -> 200  (api_handler)",
            "*http   -> 200*",
            "*http   GET /bug*",
            "*ZeroDivisionError: a bug in a route",
            "*http   -> 500*",
            "*socket * is open",
            "*socket * > bug",
            "*ZeroDivisionError: a bug in a handler",
            '*socket * < {"message": "Internal server error"*',
            "*call   POST /api/@connections/*  echo hi  -> 200",
            "*socket * < echo hi",
        ]
    )


def test_what_is_left_at_the_end_fails_a_test_unless_it_is_allowed(stranger: Stranger) -> None:
    body = """
        import boto3
        import pytest

        def leave_all(chalice_gateway, aws_faults):
            chalice_gateway.websocket()
            aws_faults.gone("VNR=")
            with pytest.raises(RuntimeError):
                boto3.client("translate").list_languages()

        def test_left(chalice_gateway, aws_faults):
            leave_all(chalice_gateway, aws_faults)

        @pytest.mark.chalice(allow=["open_sockets", "unfired_faults", "blocked_calls"])
        def test_allowed(chalice_gateway, aws_faults):
            leave_all(chalice_gateway, aws_faults)

        def test_failed_anyway(chalice_gateway, aws_faults):
            leave_all(chalice_gateway, aws_faults)
            raise ZeroDivisionError

        def test_skipped_after_all(chalice_gateway, aws_faults):
            leave_all(chalice_gateway, aws_faults)
            pytest.skip()
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(passed=2, failed=1, skipped=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "1 WebSocket still open: *",
            '    allow it with @pytest.mark.chalice(allow="open_sockets")',
            "a fault never fired: GoneException (410) at apigatewaymanagementapi for VNR=.",
            '    allow it with @pytest.mark.chalice(allow="unfired_faults")',
            "translate:ListLanguages was blocked: *",
            '    allow it with @pytest.mark.chalice(allow="blocked_calls")',
        ]
    )


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        ("frehs=True", "@pytest.mark.chalice has no frehs; it has fresh, env, allow, isolation, targets"),
        ("env={'A': 1}", "@pytest.mark.chalice: env: it must be a mapping of strings to strings, not {'A': 1}"),
        ("env=['A']", "@pytest.mark.chalice: env: it must be a mapping of strings to strings, not [[]'A']"),
        ("allow=3", "@pytest.mark.chalice: allow: it must be a name, or a list of names, not 3"),
        ("True", "@pytest.mark.chalice takes keywords only*"),
        (
            "allow='sockets'",
            "@pytest.mark.chalice: allow: there is no sockets; there are open_sockets, unfired_faults, *",
        ),
    ],
)
def test_a_mark_that_is_wrong_says_so(stranger: Stranger, mark: str, sentence: str) -> None:
    body = f"""
        import pytest
        @pytest.mark.chalice({mark})
        def test_it(jwt_tokens): pass
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([sentence])


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ("[]", "targets: there is no ''; there are inprocess, sockets, deployed"),
        ('["inprocess", "moon"]', "targets: there is no 'moon'; there are inprocess, sockets, deployed"),
        ("1", "targets: it must be a name, or a list of names, not 1"),
    ],
)
def test_a_target_that_is_wrong_is_an_error_and_no_skip(stranger: Stranger, targets: str, sentence: str) -> None:
    body = f"""
        import pytest
        @pytest.mark.chalice(targets={targets})
        def test_it(chalice_gateway): pass
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*@pytest.mark.chalice: {sentence.replace('[', '[[]')}"])


def test_the_mark_of_a_test_chooses_its_targets_and_the_one_of_its_module_the_rest(stranger: Stranger) -> None:
    body = """
        import pytest
        pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"], fresh=True)

        @pytest.mark.chalice(targets="sockets")
        def test_one(chalice_gateway, chalice_app, request):
            assert request.node.name == "test_one[sockets]" and chalice_gateway.urls

        @pytest.mark.chalice(allow="open_sockets")
        def test_both(chalice_gateway, request):
            assert (chalice_gateway.urls is None) is (request.node.name == "test_both[inprocess]")
    """
    stranger.test(test_it=body).assert_outcomes(passed=3)


def test_targets_that_come_too_late_are_an_error(stranger: Stranger) -> None:
    body = """
        import pytest

        @pytest.mark.parametrize("text", [pytest.param("hi", marks=pytest.mark.chalice(targets="sockets"))])
        def test_of_a_parameter(chalice_gateway, text): pass

        @pytest.mark.chalice(targets="sockets")
        def test_asks_itself(request):
            request.getfixturevalue("chalice_gateway")
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(failed=1, errors=1)
    assert result.stdout.str().count("targets is for a test, a class or a module, not for one set of") == 2


def test_the_request_of_one_test_is_not_seen_in_the_next(stranger: Stranger) -> None:
    body = """
        def test_one(chalice_gateway, chalice_app):
            chalice_gateway.http().get("/rooms/a")
            chalice_app.websocket_api.configure("elsewhere.example", "x")
            assert chalice_app.current_request.path == "/rooms/{name}"

        def test_two(chalice_gateway, chalice_app):
            assert getattr(chalice_app, "current_request", None) is None
            assert chalice_app.websocket_api._endpoint is None
    """
    stranger.test(test_it=body).assert_outcomes(passed=2)


def test_another_environment_gets_an_app_of_its_own(stranger: Stranger) -> None:
    override = """
        import pytest
        @pytest.fixture(scope="session")
        def chalice_env(): return {{"GREETING": "{greeting}"}}
    """
    body = """
        def test_it(chalice_gateway):
            assert chalice_gateway.http().get("/imported").json() == {{"greeting": "{greeting}"}}
    """
    route = """
AT_IMPORT = os.environ.get("GREETING")


@app.route("/imported")
def imported():
    return {"greeting": AT_IMPORT}
"""
    files = {f"{name}/conftest": override.format(greeting=name) for name in ("a", "b")}
    files |= {f"{name}/test_{name}": body.format(greeting=name) for name in ("a", "b")}
    stranger.test(app=APP + route, **files).assert_outcomes(passed=2)


@pytest.mark.parametrize("target", BOTH)
def test_a_test_that_ends_itself_within_a_handler_does_not_pass(stranger: Stranger, target: str) -> None:
    body = """
        import pytest

        def test_it(chalice_gateway, monkeypatch):
            monkeypatch.setattr("app.table.get_item", lambda **key: pytest.fail("from within"))
            chalice_gateway.http().get("/rooms/a")
            chalice_gateway.settle()
    """
    result = stranger.test("--sessionplugin-target", target, test_it=body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Failed: from within*"])
