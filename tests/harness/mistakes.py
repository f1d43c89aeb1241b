"""Mistakes of people who use the plugin for the first time, each with the parts of the report that it must lead to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.strangers import PROJECTS

CLUB = PROJECTS / "club"
APP = (CLUB / "app.py").read_text()
PYPROJECT = (CLUB / "pyproject.toml").read_text()
RESOURCES = (CLUB / ".chalice" / "resources.json").read_text()
CONFIG = (CLUB / ".chalice" / "config.json").read_text()


@dataclass(frozen=True)
class InTest:
    """A mistake in the body of a test, whose last line is the place unless another text is."""

    name: str
    fixtures: str
    body: str
    cause: str
    advice: str
    place: str = ""
    before: str = ""  # the test: marks and fixtures

    @property
    def wrong_line(self) -> str:
        return self.body.splitlines()[-1].strip()

    def source(self) -> str:
        body = "\n".join(f"    {line}" for line in self.body.splitlines())
        before = f"{self.before}\n" if self.before else ""
        return f"{before}def test_{self.name}({self.fixtures}):\n{body}\n"


@dataclass(frozen=True)
class InProject:
    """A mistake in a file of a project: the files that differ from those of the club. None: there is no such file."""

    name: str
    files: Mapping[str, str | None]
    cause: str
    place: str
    advice: str
    fixture: str = "chalice_gateway"
    overridden: str = ""  # fixtures of its conftest.py


@dataclass(frozen=True)
class InSettings:
    """A mistake in the settings of a run, which does not begin."""

    name: str
    cause: str
    place: str
    advice: str
    arguments: tuple[str, ...] = ()
    pyproject: str = PYPROJECT
    variables: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()  # packages that are not installed


ALICE = 'alice = chalice_gateway.http(token=jwt_tokens("alice"))\n'
LOBBY = 'dynamodb_tables["Rooms"].put_item(Item={"name": "lobby", "owner": "alice"})\n'
OPEN = "with chalice_gateway.websocket() as ws:\n"
GATEWAY_AND_TOKENS = "chalice_gateway, jwt_tokens"

IN_TESTS = [
    # tables
    InTest("table", "dynamodb_tables", 'dynamodb_tables["rooms"].scan()', "there is no table rooms", "mean Rooms?"),
    InTest("key", "dynamodb_tables", 'dynamodb_tables.item("Rooms", id="x")', "the key of Rooms", "is name, not id"),
    InTest(
        "item_missing",
        "dynamodb_tables",
        f'{LOBBY}dynamodb_tables.assert_item("Rooms", {{"name": "loby"}})',
        "Rooms has no item with name='loby'",
        "it has: name='lobby'",
    ),
    InTest(
        "item_differs",
        "dynamodb_tables",
        f'{LOBBY}dynamodb_tables.assert_item("Rooms", {{"name": "lobby"}}, owner="bob")',
        "the item of Rooms with name='lobby' is not as expected",
        "owner: 'alice', not 'bob'",
    ),
    InTest(
        "table_of_a_variable",
        "chalice_gateway",
        "pass",
        "there is no table Room",
        "did you mean Rooms?",
        "ROOMS_TABLE = '{table:Room}'",
        before='@pytest.mark.chalice(env={"ROOMS_TABLE": "{table:Room}"})',
    ),
    InTest(
        "variable_of_a_table",
        f"{GATEWAY_AND_TOKENS}, monkeypatch",
        f'monkeypatch.setenv("ROOMS_TABLE", "typo")\n{ALICE}assert alice.get("/rooms/lobby").status_code == 404',
        "dynamodb:GetItem typo {name: lobby} -> 400 ResourceNotFoundException",
        "there is no table typo; there are: club-rooms",
    ),
    # the app's variables
    InTest(
        "variable_not_set",
        f"{GATEWAY_AND_TOKENS}, monkeypatch",
        f'monkeypatch.delenv("JWT_SECRET")\n{ALICE}assert alice.get("/rooms").status_code == 200',
        "KeyError: 'JWT_SECRET'",
        "JWT_SECRET is not set: give it in [tool.sessionplugin.env]",
    ),
    # fixtures and keywords
    InTest(
        "fixture", "chalice_gatway", "pass", "'chalice_gatway' not found", "mean chalice_gateway?", "test_it.py, line"
    ),
    InTest("keyword", "chalice_gateway", 'chalice_gateway.http(tokn="x")', "argument 'tokn'", "Did you mean token?"),
    InTest(
        "timeout", "chalice_gateway", 'chalice_gateway.get("/health", timeout=5)', "'timeout'", "takes path, params="
    ),
    InTest(
        "positional", "chalice_gateway", 'chalice_gateway.http("x")', "1 positional argument", "takes token=, headers="
    ),
    InTest(
        "method", "chalice_gateway", 'chalice_gateway.http.get("/health")', "no attribute 'get'", "as in http().get"
    ),
    InTest("attribute", "chalice_gateway", "chalice_gateway.retry", "no attribute 'retry'", "Did you mean retries?"),
    InTest(
        "status",
        "chalice_gateway",
        'assert chalice_gateway.get("/health").status == 200',
        "no attribute 'status'",
        "Did you mean status_code?",
    ),
    # requests
    InTest("path", "chalice_gateway", 'chalice_gateway.get("health")', "'health' does not", "a path begins with '/'"),
    InTest("url", "chalice_gateway", 'chalice_gateway.get("http://a.b/health")', "does not", "a path begins with '/'"),
    InTest("no_path", "chalice_gateway", "chalice_gateway.get(None)", "NoneType", "path takes str"),
    InTest(
        "route",
        GATEWAY_AND_TOKENS,
        f'{ALICE}assert alice.post("/room").status_code == 200',
        "no route matches POST /room",
        "nearest: POST /rooms",
    ),
    InTest(
        "route_without_a_token",
        "chalice_gateway",
        'assert chalice_gateway.post("/room").status_code == 200',
        "no route matches POST /room",
        "nearest: POST /rooms",
    ),
    InTest(
        "two_bodies",
        "chalice_gateway",
        'chalice_gateway.post("/orders", json={}, content="x")',
        "a request takes",
        "json or content, not both",
    ),
    InTest(
        "set",
        "chalice_gateway",
        'chalice_gateway.post("/orders", json={1})',
        "set is not JSON",
        "what json.dumps takes",
    ),
    InTest(
        "bearer",
        GATEWAY_AND_TOKENS,
        'chalice_gateway.get("/rooms", token="Bearer " + jwt_tokens("alice"))',
        "token= begins with 'Bearer '",
        "give the token alone",
    ),
    InTest(
        "token",
        GATEWAY_AND_TOKENS,
        "chalice_gateway.get('/rooms', token=jwt_tokens)",
        "not Tokens",
        "token= takes text",
    ),
    InTest("header", "chalice_gateway", "chalice_gateway.get('/', headers={'X-N': 5})", "not int", "'X-N' takes text"),
    InTest(
        "bug",
        "chalice_gateway",
        'assert chalice_gateway.get("/bug").status_code == 200',
        "ZeroDivisionError: a bug in a route",
        'app.py", line',
    ),
    InTest(
        "claims",
        "chalice_gateway",
        'chalice_gateway.get("/health", claims={"sub": "a"})',
        "GET /health has no authorizer",
        "gives claims to no other route",
    ),
    # sockets
    InTest(
        "frame",
        "chalice_gateway",
        f'{OPEN}    ws.send_json({{"text": "hi"}})\n    assert ws.receive_json()["text"] == "ho"',
        "'hi' == 'ho'",
        '< {"type": "said", "text": "hi"}',
    ),
    InTest(
        "bug_in_a_handler",
        "chalice_gateway",
        f'{OPEN}    ws.send_json({{"txt": "hi"}})\n    ws.expect(type="said")',
        "KeyError: 'text'",
        'app.py", line',
    ),
    InTest("no_frame", "chalice_gateway", f"{OPEN}    ws.receive_json()", "no frame came", "nothing was sent"),
    InTest(
        "not_quiet",
        "chalice_gateway",
        f'{OPEN}    ws.send_json({{"text": "hi"}})\n    ws.receive_nothing()',
        "expected no frame",
        'received {"type": "said", "text": "hi"}',
    ),
    InTest(
        "handshake",
        "chalice_gateway",
        'chalice_gateway.websocket(headers={"Cookie": "a=b"})',
        'the handshake was refused: 502 Bad Gateway of GET /: {"message": "Internal server error"}',
        'app.py", line',
    ),
    InTest("socket_path", "chalice_gateway", 'chalice_gateway.websocket("/ws")', "refused: 403", "it is at / and /api"),
    InTest("subprotocols", "chalice_gateway", 'chalice_gateway.websocket(subprotocols="chat")', "list", "as ['chat']"),
    InTest(
        "send_text",
        "chalice_gateway",
        f'{OPEN}    ws.send_text({{"text": "hi"}})',
        "send_text() takes str, not dict",
        "which send_json() sends",
    ),
    InTest(
        "send_bytes", "chalice_gateway", f"{OPEN}    ws.send_bytes('hi')", "takes bytes, not str", "send_text() sends"
    ),
    InTest("send_json", "chalice_gateway", f"{OPEN}    ws.send_json({{1}})", "set is not JSON", "JSON has dict, list"),
    InTest("send", "chalice_gateway", f"{OPEN}    ws.send('hi')", "no attribute 'send'", "send_json or send_text?"),
    InTest("recv", "chalice_gateway", f"{OPEN}    ws.recv()", "no attribute 'recv'", "receive_json, receive_nothing"),
    InTest(
        "closed",
        "chalice_gateway",
        f"{OPEN}    pass\nws.send_text('x')",
        "the socket is closed: code 1005",
        "The client has left it: use it before close() or drop(), and within its `with` block",
    ),
    InTest("close", "chalice_gateway", f"{OPEN}    ws.close(1005)", "cannot close with code 1005", "3000 to 4999"),
    InTest(
        "open_socket",
        "chalice_gateway",
        "chalice_gateway.websocket()",
        "1 WebSocket still open",
        "Close what a test opens, or open it with `with`",
        "teardown of test_it.py::test_open_socket",
    ),
    # AWS
    InTest(
        "queue",
        "chalice_gateway",
        'assert chalice_gateway.post("/orders").status_code == 200',
        "there is no queue orders; there are: audit",
        "Name it in the template or a decorator, or make it in `seed` or in a fixture",
    ),
    InTest(
        "fault",
        "aws_faults",
        'aws_faults.throttle("dynamodb")',
        "there is no fault throttle",
        "did you mean throttled?",
    ),
    InTest(
        "service",
        "aws_faults",
        'aws_faults.throttled("dynamo")',
        "service of AWS named dynamo",
        "did you mean dynamodb",
    ),
    InTest(
        "operation", "aws_faults", 'aws_faults.throttled("dynamodb:PutItm")', "named PutItm", "did you mean PutItem"
    ),
    InTest(
        "times",
        "aws_faults",
        'aws_faults.throttled("dynamodb", times=0)',
        "not 0",
        "times is a whole number, 1 or more",
    ),
    InTest("gone", "aws_faults", "aws_faults.gone()", "gone() needs the id", "of at least one connection"),
    InTest(
        "gone_socket",
        "aws_faults, chalice_gateway",
        f"{OPEN}    aws_faults.gone(ws)",
        "not by a WebSocket",
        "a connection is given by its id, as websocket.connection_id",
    ),
    InTest("timed_out", "aws_faults", 'aws_faults.timed_out("mesage")', "there is no function mesage", "mean message?"),
    InTest(
        "stale_table", "aws_faults", 'aws_faults.stale_indexes("Room")', "there is no table Room", "did you mean Rooms?"
    ),
    InTest(
        "unfired",
        "aws_faults",
        'aws_faults.throttled("dynamodb")',
        "a fault never fired",
        'allow it with @pytest.mark.chalice(allow="unfired_faults")',
        "teardown of test_it.py::test_unfired",
    ),
    InTest(
        "budget",
        f"{GATEWAY_AND_TOKENS}, aws_calls",
        f'{ALICE}with aws_calls.exactly(dynamodb=2):\n    alice.get("/rooms/lobby")',
        "dynamodb was called 1 time, not exactly 2",
        "GetItem 1",
        "with aws_calls.exactly(dynamodb=2):",
    ),
    InTest(
        "budget_of_nothing",
        "aws_calls",
        "with aws_calls.at_most(2):\n    pass",
        "not int",
        "budget takes Mapping[str, float]",
        "with aws_calls.at_most(2):",
    ),
    InTest(
        "budget_of_a_text",
        "aws_calls",
        "with aws_calls.at_most(dynamodb='1'):\n    pass",
        "not str",
        "dynamodb takes float",
        "with aws_calls.at_most(dynamodb='1'):",
    ),
    InTest(
        "policy", "aws_calls", 'aws_calls.denied_by("policy.json")', "there is no such file", "the project's folder on"
    ),
    InTest(
        "parties", "aws_race", 'aws_race("dynamodb:PutItem", parties=1)', "not 1", "a race needs two parties at least"
    ),
    InTest(
        "race",
        "aws_race",
        'aws_race("dynamodb:PutItem").run(lambda: 1)',
        "the race at dynamodb:PutItem is over, or not begun",
        "write `with aws_race(…) as race:`",
    ),
    # functions
    InTest(
        "function",
        "chalice_gateway",
        'chalice_gateway.invoke("tydy")',
        "there is no function tydy",
        "did you mean tidy?",
    ),
    InTest(
        "event",
        "chalice_gateway",
        'chalice_gateway.invoke("audit")',
        "chalice_gateway.deliver_events() gives audit the events of its source",
        "pass one: invoke('audit', {…})",
    ),
    InTest(
        "text", "chalice_gateway", 'chalice_gateway.invoke("tidy", "{}")', "not str", "event takes Mapping[str, Any]"
    ),
    InTest(
        "schedule",
        "chalice_gateway",
        'chalice_gateway.deliver_events(schedules="tydy")',
        "no function with a schedule named tydy",
        "did you mean tidy?",
    ),
    InTest(
        "other_app",
        "chalice_gateway",
        'chalice_gateway.of("services/orders")',
        "services/orders is not a Chalice project: it has no app.py",
        "of() takes the folder of one, absolute or from ",
    ),
    InTest(
        "no_app", "chalice_gateway", "chalice_gateway.of(None)", "not None", "a project is a folder, the path of one"
    ),
    InTest(
        "module",
        "chalice_load",
        'chalice_load("app.py")',
        "'app.py' is not",
        "name of a module, as 'chalicelib.settings'",
    ),
    # time
    InTest(
        "backwards", "chalice_clock", "chalice_clock.advance(minutes=-3)", "advance(minutes=-3)", "must be more than 0"
    ),
    InTest("minute", "chalice_clock", "chalice_clock.advance(minute=3)", "advance(minute=3)", "as minutes=10"),
    InTest("seconds", "chalice_clock", "chalice_clock.advance(60)", "advance(60)", "as minutes=10, or a timedelta"),
    InTest(
        "no_zone",
        "chalice_clock",
        "chalice_clock.move_to(datetime(2100, 1, 1))",
        "it has no time zone",
        "give it one, as timezone.utc",
    ),
    InTest(
        "no_clock",
        "without_time_machine, chalice_clock",
        "pass",
        "moving time needs time-machine",
        "pip install 'pytest-sessionplugin[clock]'",
        "setup of test_it.py::test_no_clock",
        "@pytest.fixture\ndef without_time_machine(monkeypatch):\n"
        "    monkeypatch.setitem(sys.modules, 'time_machine', None)\n\n",
    ),
    # tokens
    InTest(
        "flaw",
        "bad_jwt",
        "pass",
        "there is no 'expird'",
        "there are expired",
        "setup of test_it.py::test_flaw",
        before=("@pytest.mark.parametrize('bad_jwt', ['expird'], indirect=True)"),
    ),
    InTest(
        "expire_in",
        "jwt_tokens",
        'jwt_tokens("alice", expire_in=5)',
        "no argument 'expire_in'",
        "did you mean expires_in?",
    ),
    InTest("expires_in", "jwt_tokens", 'jwt_tokens("alice", expires_in="soon")', "not str", "expires_in takes float"),
    InTest("subject", "jwt_tokens", "jwt_tokens(5)", "not int", "the subject of a token is text"),
    InTest("sign", "jwt_tokens", 'jwt_tokens.sign("alice")', "not str", "claims takes Mapping[str, Any]"),
    InTest(
        "rotate",
        "jwt_tokens",
        "jwt_tokens.rotate()",
        "HS256 has one shared secret",
        "set algorithm to RS256 or ES256 in [tool.sessionplugin.tokens]",
    ),
    # marks and pytest
    InTest(
        "mark",
        "chalice_app",
        "pass",
        "has no fesh",
        "it has fresh, env",
        "@pytest.mark.chalice",
        "@pytest.mark.chalice(fesh=True)",
    ),
    InTest(
        "mark_without_a_name",
        "chalice_app",
        "pass",
        "takes keywords only",
        "as fresh=True",
        "@pytest.mark.chalice",
        "@pytest.mark.chalice(True)",
    ),
    InTest(
        "mark_fresh",
        "chalice_app",
        "pass",
        "not 'no'",
        "True or False",
        "@pytest.mark.chalice: fresh",
        "@pytest.mark.chalice(fresh='no')",
    ),
    InTest(
        "mark_allow",
        "chalice_app",
        "pass",
        "there is no open_socket",
        "there are open_sockets",
        "@pytest.mark.chalice: allow",
        "@pytest.mark.chalice(allow='open_socket')",
    ),
    InTest(
        "mark_isolation",
        "chalice_app",
        "pass",
        "there is no 'functions'",
        "there are app, function",
        "@pytest.mark.chalice: isolation",
        "@pytest.mark.chalice(isolation='functions')",
    ),
    InTest(
        "scope",
        "shared",
        "pass",
        "tried to access the function scoped fixture chalice_gateway with a module scoped request",
        "let the fixture that asks for it have the scope of a function",
        "def shared(chalice_gateway)",
        "@pytest.fixture(scope='module')\ndef shared(chalice_gateway): return chalice_gateway\n\n",
    ),
]

# --- projects


def _edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def _app(old: str, new: str) -> dict[str, str | None]:
    return {"app.py": _edited(APP, old, new)}


def _template(old: str, new: str) -> dict[str, str | None]:
    return {".chalice/resources.json": _edited(RESOURCES, old, new)}


def _settings(more: str) -> dict[str, str | None]:
    """More variables, or settings in front of the tables."""
    return {"pyproject.toml": f"[tool.sessionplugin]\n{more}\n{PYPROJECT}"}


def _config(**more: object) -> dict[str, str | None]:
    return {".chalice/config.json": json.dumps({**json.loads(CONFIG), **more})}


def _fixture(name: str, value: str) -> str:
    return f"@pytest.fixture(scope='session')\ndef {name}():\n    return {value}\n"


IN_PROJECTS = [
    # files
    InProject(
        "no_app", {"app.py": None}, "not a Chalice project: it has no app.py", "/no_app ", "--sessionplugin-project"
    ),
    InProject(
        "no_config",
        {".chalice/config.json": None},
        "it has no .chalice/config.json",
        "/no_config ",
        "Name a folder that has",
    ),
    InProject(
        "broken_config",
        {".chalice/config.json": '{"version": "2.0",}'},
        "is not a JSON object",
        ".chalice/config.json",
        "Expecting property name enclosed in double quotes: line 1 column 19",
    ),
    InProject("list_of_stages", _config(stages=["dev"]), "stages is not", ".chalice/config.json", "a JSON object"),
    InProject(
        "two_stages",
        _config(stages={"test": {}, "prod": {}}),
        "there is no stage dev",
        ".chalice/config.json; there are test, prod",
        "Name one: with --sessionplugin-stage",
    ),
    InProject(
        "timeout", _config(lambda_timeout="1m"), "lambda_timeout is '1m'", ".chalice/config.json", "number, of seconds"
    ),
    # tables
    InProject(
        "no_template",
        {".chalice/resources.json": None},
        "there is no table Rooms; there are: none",
        "/no_template/.chalice/resources.json does not exist",
        "as `template` in [tool.sessionplugin]",
    ),
    InProject(
        "wrong_template",
        _settings('template = "infra/table.yaml"'),
        "there is no such file",
        "template in [tool.sessionplugin]",
        "/wrong_template/infra/table.yaml",
    ),
    InProject(
        "broken_yaml",
        {**_settings('template = "t.yaml"'), "t.yaml": "Resources:\n  Rooms: [\n"},
        "is not a CloudFormation template in YAML",
        "t.yaml",
        "line 3: expected the node content",
    ),
    InProject(
        "type", _template("::Table", "::Tabel"), "Type is AWS::DynamoDB::Tabel", "/type/.chalice/", "Table may be meant"
    ),
    InProject(
        "key", _template("KeyType", "KeyTpye"), "has KeyTpye", "resources.json: the table Rooms", "KeyType may be meant"
    ),
    InProject(
        "properties", _template("Properties", "Propertes"), "it has Propertes", "table Rooms of ", "Properties may be"
    ),
    InProject(
        "seed_of_no_table",
        {},
        "there is no table Room",
        "dynamodb_seed",
        "did you mean Rooms?",
        "dynamodb_tables",
        (_fixture("dynamodb_seed", "{'Room': []}")),
    ),
    InProject(
        "seed_without_a_key",
        {},
        "has no name",
        "row 0 for Rooms",
        "{'nam': 'x'}",
        "dynamodb_tables",
        (_fixture("dynamodb_seed", "{'Rooms': [{'nam': 'x'}]}")),
    ),
    InProject(
        "specs",
        {},
        "gives None",
        "the fixture dynamodb_specs",
        "is its return missing?",
        "dynamodb_tables",
        (_fixture("dynamodb_specs", "None")),
    ),
    InProject(
        "env",
        {},
        "gives {'PORT': 1}",
        "the fixture chalice_env",
        "a mapping of strings to strings",
        "chalice_app",
        (_fixture("chalice_env", "{'PORT': 1}")),
    ),
    InProject(
        "env_scope",
        {},
        "function scoped fixture chalice_env",
        "conftest.py",
        "scope='session'",
        "chalice_app",
        ("@pytest.fixture\ndef chalice_env():\n    return {}\n"),
    ),
    # settings
    InProject(
        "number",
        {"pyproject.toml": f"{PYPROJECT}PORT = 8000\n"},
        "must be a table of strings",
        "[tool.sessionplugin.env]",
        "put the value of PORT in quotes",
    ),
    InProject(
        "placeholder",
        {"pyproject.toml": f'{PYPROJECT}T = "{{tables:Rooms}}"\n'},
        "there is no {tables:…}",
        "T = '{tables:Rooms}'",
        "did you mean {table:Rooms}?",
    ),
    InProject(
        "queue",
        {"pyproject.toml": f'{PYPROJECT}Q = "{{queue:orders}}"\n'},
        "there is no queue orders",
        "Q = '{queue:orders}'",
        "The template, the app's decorators or its seed name them",
    ),
    InProject(
        "no_seed", _settings('seed = "seed.py"'), "there is no such file", "seed in [tool.sessionplugin]", "/seed.py"
    ),
    InProject(
        "seed",
        {**_settings('seed = "seed.py"'), "seed.py": "def seed():\n    1 / 0\n"},
        "ZeroDivisionError",
        'seed.py", line 2',
        "mend it, or take `seed` out of",
    ),
    InProject(
        "claim",
        {"pyproject.toml": _edited(PYPROJECT, "issuer", "isuer")},
        "has isuer",
        "[tool.sessionplugin.tokens]",
        ("its keys are algorithm, issuer and audience"),
    ),
    InProject(
        "no_claims",
        {"pyproject.toml": _edited(_edited(PYPROJECT, "issuer", "# issuer"), "audience", "# audience")},
        "names no other, so tokens have the issuer https://tokens.test and the audience test",
        "issuer and audience of the tokens",
        "set it there",
        "chalice_gateway, jwt_tokens",
    ),
    # the app
    InProject(
        "raises",
        {"app.py": "raise RuntimeError('nope')\n"},
        "RuntimeError: nope",
        'app.py", line 1',
        "importing app of",
    ),
    InProject("syntax", {"app.py": "def broken(:\n"}, "SyntaxError: invalid syntax", 'app.py", line 1', "def broken(:"),
    InProject(
        "import", {"app.py": "import nothing\n"}, "No module named 'nothing'", 'app.py", line 1', "import nothing"
    ),
    InProject(
        "object",
        {"app.py": "application = 1\n"},
        "no Chalice object named app",
        "app.py",
        "which is what Chalice deploys",
    ),
    InProject(
        "circle",
        {
            "app.py": f"from chalicelib.rooms import one\n{APP}",
            "chalicelib/__init__.py": "",
            "chalicelib/rooms.py": "from app import app\n",
        },
        "circular import",
        'chalicelib/rooms.py", line 1',
        "Let neither module import the other at its top",
    ),
    InProject(
        "unset",
        {"app.py": f"{APP}\nos.environ['QUEUE_URL']\n"},
        "KeyError: 'QUEUE_URL'",
        'app.py", line ',
        "QUEUE_URL is not set: give it in [tool.sessionplugin.env]",
    ),
    InProject(
        "methods",
        _app('methods=["POST"]', 'methods="POST"'),
        "the route /orders has the methods P, O, S, T",
        "app.py",
        "as methods=['GET']",
    ),
    InProject(
        "slash", _app('"/health"', '"/health/"'), "'/health/' cannot be deployed", "app.py", "does not end with one"
    ),
    InProject(
        "authorizer",
        _app("authorizer=member)\ndef one", 'authorizer="member")\ndef one'),
        "the authorizer of GET /rooms/{name} is 'member'",
        "app.py",
        "give the function under @app.authorizer() itself",
    ),
    InProject(
        "decorator", _app('"/orders", methods', '"/orders", method'), "unexpected keyword", 'app.py", line', "method"
    ),
    InProject(
        "source",
        _app('queue="audit"', ""),
        "Must provide either `queue` or `queue_arn`",
        'app.py", line',
        "on_sqs_message",
    ),
    InProject(
        "flag",
        _app('app.experimental_feature_flags.add("WEBSOCKETS")', ""),
        "uses WEBSOCKETS without asking",
        "app.py",
        "app.experimental_feature_flags.update(['WEBSOCKETS'])",
    ),
]

# --- settings

IN_SETTINGS = [
    InSettings(
        "key",
        "there is no such key",
        "templates = 'x'",
        "there are api_keys",
        pyproject="[tool.sessionplugin]\ntemplates = 'x'",
    ),
    InSettings("toml", "Expected ']'", "pyproject.toml", "at line 1", pyproject="[tool.sessionplugin\n"),
    InSettings("stage", "no stage prod", "--sessionplugin-stage", "there are dev", ("--sessionplugin-stage=prod",)),
    InSettings(
        "target", "no such target", "--sessionplugin-target", "inprocess, sockets", ("--sessionplugin-target=socket",)
    ),
    InSettings(
        "url", "it must be", "SESSIONPLUGIN_TARGET", "https://…,wss://…", variables={"SESSIONPLUGIN_TARGET": "ftp://a"}
    ),
    InSettings(
        "plain",
        "is not on this machine",
        "--sessionplugin-target",
        "must be https",
        ("--sessionplugin-target=http://a.b",),
    ),
    InSettings(
        "folder", "no such folder", "--sessionplugin-project", "project = ", ("--sessionplugin-project=nowhere",)
    ),
    InSettings(
        "timeout",
        "more than 0",
        "SESSIONPLUGIN_TIMEOUT",
        "a number of seconds",
        variables={"SESSIONPLUGIN_TIMEOUT": "soon"},
    ),
    InSettings(
        "option", "unrecognized arguments", "--sessionplugin-tagret", "usage:", ("--sessionplugin-tagret=sockets",)
    ),
    InSettings(
        "no_sockets",
        "real sockets need h11 and websockets",
        "--sessionplugin-target",
        "pip install 'pytest-sessionplugin[sockets]'",
        ("--sessionplugin-target=sockets",),
        hidden=("h11", "websockets"),
    ),
]
