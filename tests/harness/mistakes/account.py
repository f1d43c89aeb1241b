"""Mistakes in tables, variables, calls of AWS, faults, functions and time."""

from __future__ import annotations

from tests.harness.mistakes.kinds import ALICE, GATEWAY_AND_TOKENS, OPEN, InTest

LOBBY = 'dynamodb_tables["Rooms"].put_item(Item={"name": "lobby", "owner": "alice"})\n'

MISTAKES = [
    # tables
    InTest("table", "dynamodb_tables", 'dynamodb_tables["rooms"].scan()', "there is no table rooms", "mean Rooms?"),
    InTest("table_as_an_attribute", "dynamodb_tables", "dynamodb_tables.Rooms", "no attribute 'Rooms'", "in ['Rooms']"),
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
        "row_without_a_key",
        "dynamodb_tables",
        'dynamodb_tables["Rooms"].put_item(Item={"nam": "lobby"})',
        "One or more parameter values were invalid",
        "Missing the key name in the item",
    ),
    InTest(
        "float",
        "dynamodb_tables",
        'dynamodb_tables["Rooms"].put_item(Item={"name": "lobby", "size": 1.5})',
        "Float types are not supported",
        "Use Decimal types instead",
    ),
    InTest(
        "region",
        "dynamodb_tables",
        'boto3.client("dynamodb", region_name="eu-west-1").describe_table(TableName="club-rooms")',
        "Table: club-rooms not found",
        "club-rooms is in us-east-1; this call went to eu-west-1. AWS_DEFAULT_REGION in [tool.sessionplugin.env]",
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
        "teardown of test_account.py::test_unfired",
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
        "not '1' of dynamodb",
        "a budget is a number",
        "with aws_calls.at_most(dynamodb='1'):",
    ),
    InTest(
        "budget_without_a_block",
        "aws_calls",
        "aws_calls.exactly(dynamodb=1)",
        "aws_calls.exactly({'dynamodb': 1}) counted nothing",
        "write `with` before it",
        "teardown of test_account.py::test_budget_without_a_block",
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
        "setup of test_account.py::test_no_clock",
        "@pytest.fixture\ndef without_time_machine(monkeypatch):\n"
        "    monkeypatch.setitem(sys.modules, 'time_machine', None)\n\n",
    ),
]
