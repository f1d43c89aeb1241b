"""Mistakes in the files of a project."""

from __future__ import annotations

import json

from tests.harness.mistakes.kinds import CLUB, PYPROJECT, InProject

APP = (CLUB / "app.py").read_text()
RESOURCES = (CLUB / ".chalice" / "resources.json").read_text()
CONFIG = (CLUB / ".chalice" / "config.json").read_text()


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


MISTAKES = [
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
        "line 1 column 1",
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
        "app_name",
        {".chalice/config.json": '{"version": "2.0"}'},
        "has no app_name, so `chalice deploy` names the functions None-dev",
        "/app_name/.chalice/config.json",
        'add "app_name": "app_name"',
    ),
    InProject(
        "variable",
        _config(environment_variables={"PORT": 80}),
        "environment_variables.PORT is 80, and `chalice deploy` refuses that",
        "/variable/.chalice/config.json",
        "put the value in quotes",
    ),
    InProject(
        "variable_of_a_function",
        _config(stages={"dev": {"lambda_functions": {"tidy": {"environment_variables": {"ON": True}}}}}),
        "stages.dev.lambda_functions.tidy.environment_variables.ON is true",
        "/variable_of_a_function/.chalice/config.json",
        "put the value in quotes",
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
        "line 3, column 1: did not find expected node content",
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
        "algorithm",
        {
            "pyproject.toml": _edited(
                PYPROJECT, "[tool.sessionplugin.tokens]", '[tool.sessionplugin.tokens]\nalgorithm = "HS265"'
            )
        },
        "algorithm = 'HS265'",
        "[tool.sessionplugin.tokens]",
        "it must be one of HS256, RS256, ES256",
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
        "parameters",
        {"app.py": f"{APP}\n@app.route('/rooms/{{room}}/people')\ndef people(room):\n    return {{}}\n"},
        "the routes /rooms/{name} and /rooms/{room}/people cannot be deployed together",
        "app.py: ",
        "Give both parameters one name",
    ),
    InProject(
        "duplicate",
        {"app.py": f"{APP}\n@app.route('/health')\ndef other():\n    return {{}}\n"},
        "Duplicate method: 'GET' detected for route: '/health'",
        'app.py", line',
        'between view functions: "health" and "other"',
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
        "schedule",
        _app("Rate(1, unit=Rate.MINUTES)", '"every minute"'),
        "the schedule of tidy, 'every minute', cannot be deployed",
        "/schedule/app.py: ",
        "it begins with rate( or cron(: Chalice's Rate and Cron make both",
    ),
    InProject(
        "rate",
        _app("Rate(1, unit=Rate.MINUTES)", 'Rate(5, unit="MINUTE")'),
        "the schedule of tidy, 'rate(5 minute)', cannot be deployed",
        "/rate/app.py: ",
        "it must be rate(5 minutes)",
    ),
    InProject(
        "rate_unit",
        _app("Rate(1, unit=Rate.MINUTES)", "Rate(5, unit=60)"),
        "the schedule of tidy, 'rate(5 60)', cannot be deployed",
        "/rate_unit/app.py: ",
        "a rate is a number of minutes, hours or days: Rate(5, Rate.MINUTES)",
    ),
    InProject(
        "rate_without_a_number",
        _app("Rate(1, unit=Rate.MINUTES)", 'Rate(unit="MINUTES")'),
        "missing 1 required positional argument: 'value'",
        'app.py", line',
        "@app.schedule(Rate(",
    ),
    InProject(
        "cron",
        _app("Rate(1, unit=Rate.MINUTES)", '"cron(0 3 * * *)"'),
        "the schedule of tidy, 'cron(0 3 * * *)', cannot be deployed",
        "/cron/app.py: ",
        "it has six fields: minutes, hours, day of the month, month, day of the week, year",
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
