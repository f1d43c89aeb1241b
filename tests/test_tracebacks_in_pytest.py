"""A failed test shows its own line, the sentence and the app's lines, without frames of the plugin."""

from __future__ import annotations

import pytest

from tests.strangers import APP, COGNITO, Stranger, write_project

WRONG = """
import pytest


@pytest.fixture
def other(chalice_gateway):
    return chalice_gateway.of("nowhere")


def test_fault(aws_faults):
    aws_faults.throttled("dynamodb:PutItm")


def test_budget(aws_calls):
    with aws_calls.at_most(dynmodb=1):
        pass


def test_policy(aws_calls):
    aws_calls.denied_by("app.py")


def test_function(chalice_gateway):
    chalice_gateway.invoke("swep")


def test_path(chalice_gateway):
    chalice_gateway.http().get("rooms")


def test_bearer(chalice_gateway, jwt_tokens):
    chalice_gateway.websocket(token="Bearer " + jwt_tokens("alice"))


def test_json(chalice_gateway):
    chalice_gateway.post("/rooms", json={"at": object()})


def test_status(chalice_gateway):
    chalice_gateway.post("/push/none").raise_for_status()


def test_handshake(chalice_gateway):
    chalice_gateway.websocket("/prod")


def test_requests(chalice_gateway):
    chalice_gateway.requests_session().get("https://login.example/")


def test_httpx(chalice_gateway):
    import httpx

    httpx.Client(transport=chalice_gateway.httpx_transport()).get("https://login.example/")


async def _ask(chalice_gateway):
    import httpx

    async with httpx.AsyncClient(transport=chalice_gateway.httpx_transport()) as client:
        await client.get("https://other.example/")


def test_httpx_with_asyncio(chalice_gateway):
    import asyncio

    asyncio.run(_ask(chalice_gateway))


def test_fixture(other):
    pass


def test_module(chalice_load):
    chalice_load("chalicelib.broken")
"""

SENTENCES = [
    '>       aws_faults.throttled("dynamodb:PutItm")',
    "E *there is no operation of dynamodb named PutItm; did you mean PutItem*",
    ">       with aws_calls.at_most(dynmodb=1):",
    "E *there is no service of AWS named dynmodb; did you mean dynamodb*",
    '>       aws_calls.denied_by("app.py")',
    "E *app.py: it is not JSON: *",
    '>       chalice_gateway.invoke("swep")',
    "E *there is no function swep; did you mean sweep? There are: *",
    '>       chalice_gateway.http().get("rooms")',
    "E *a path begins with '/', 'rooms' does not",
    '>       chalice_gateway.websocket(token="Bearer " + jwt_tokens("alice"))',
    "E *token= begins with 'Bearer ', which the client adds itself: give the token alone",
    '>       chalice_gateway.post("/rooms", json={"at": object()})',
    "E *TypeError: json= takes what json.dumps takes: Object of type object is not JSON serializable",
    '>       chalice_gateway.post("/push/none").raise_for_status()',
    "E *HTTPStatusError: 500 Internal Server Error of POST /push/none: {*",
    '>       chalice_gateway.websocket("/prod")',
    'E *HandshakeRefused: the handshake was refused: 403 Forbidden of GET /prod: {"message": "Forbidden"}',
    '>       chalice_gateway.requests_session().get("https://login.example/")',
    "E *ConnectionError: login.example is not the host of this app, whose URLs begin with https://*",
    '>       httpx.Client(transport=chalice_gateway.httpx_transport()).get("https://login.example/")',
    "E *ConnectError: login.example is not the host of this app, whose URLs begin with https://*",
    '>           await client.get("https://other.example/")',
    "E *ConnectError: other.example is not the host of this app, whose URLs begin with https://*",
]


def test_what_the_kit_refuses_is_the_line_that_asked_and_a_sentence(stranger: Stranger) -> None:
    broken = stranger.root / "chalicelib"
    broken.mkdir()
    (broken / "__init__.py").touch()
    (broken / "broken.py").write_text("BEFORE = 1\n1 / 0\n")
    result = stranger.test(test_it=WRONG)
    result.assert_outcomes(failed=13, errors=1)
    result.stdout.fnmatch_lines(SENTENCES)
    result.stdout.fnmatch_lines(
        ['>       return chalice_gateway.of("nowhere")', "E *nowhere is not a Chalice project: *"]
    )
    result.stdout.fnmatch_lines(
        [
            '>       chalice_load("chalicelib.broken")',
            "E *importing chalicelib.broken of * raised ZeroDivisionError: division by zero",
            "*raised in the project*",
            '*broken.py", line 2, in <module>',
        ]
    )
    shown = result.stdout.str()
    assert "pytest_sessionplugin/" not in shown
    for library in ("json/decoder.py", "json/encoder.py", "httpx/", "requests/", "anyio/"):
        assert library not in shown
    assert "contextlib.py" not in shown
    assert "_pytest/" not in shown


def test_what_the_app_raises_is_shown_from_the_test_to_its_line(stranger: Stranger) -> None:
    app = stranger.root / "app.py"
    app.write_text(app.read_text().replace('app.log.error("swept")', 'raise ZeroDivisionError("swept")'))
    body = "def test_sweep(chalice_gateway): chalice_gateway.invoke('sweep')"
    result = stranger.test(test_it=body)
    result.stdout.fnmatch_lines([">   def test_sweep(chalice_gateway): *", '>       raise ZeroDivisionError("swept")'])
    assert "pytest_sessionplugin/" not in result.stdout.str()
    assert "pytest_sessionplugin/" in stranger.test("--full-trace").stdout.str()


def test_what_happens_in_a_race_is_the_cause_that_is_shown(stranger: Stranger) -> None:
    body = """
        def test_race(aws_race):
            with aws_race("dynamodb:PutItem") as race:
                race.run(lambda: 1, lambda: 1 / 0)
    """
    result = stranger.test(test_it=body)
    result.stdout.fnmatch_lines(
        ["E * ZeroDivisionError: division by zero", "*direct cause*", "E *0 of 2 calls came to *"]
    )


def test_a_debugger_still_stands_where_it_was_raised(stranger: Stranger) -> None:
    """Only the printed report is short; --pdb and other plugins get the whole traceback."""
    conftest = """
        def pytest_exception_interact(call):
            print("stands in", call.excinfo.traceback[-1].path, call.excinfo.value.__cause__)
    """
    result = stranger.test("-s", conftest=conftest, test_it="def test_it(aws_calls): aws_calls.denied_by('app.py')")
    result.stdout.fnmatch_lines(["*stands in *iam.py Expecting value: *"])


def test_a_slip_of_the_kit_stays_whole(stranger: Stranger) -> None:
    result = stranger.test(test_it="def test_slip(jwt_tokens): del jwt_tokens.settings; jwt_tokens('alice')")
    result.stdout.fnmatch_lines(["*tokens.py:*: AttributeError"])


def test_a_function_with_a_schedule_is_given_the_event_of_its_rule(stranger: Stranger) -> None:
    app = stranger.root / "app.py"
    app.write_text(app.read_text().replace('app.log.error("swept")', "return event.to_dict()"))
    body = """
        def test_sweep(chalice_gateway):
            event = chalice_gateway.invoke("sweep")
            assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
            assert chalice_gateway.invoke("sweep", {**event, "source": "me"})["source"] == "me"
    """
    stranger.test(test_it=body).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("fixture", "value", "sentence"),
    [
        (
            "chalice_env",
            "{'PORT': 1}",
            "the fixture chalice_env gives {'PORT': 1}; it must be a mapping of strings to strings.",
        ),
        ("chalice_env", "None", "the fixture chalice_env gives None; it must be a mapping of strings to strings."),
        ("chalice_project", "None", "a project is a folder, the path of one, not None."),
        ("chalice_project", "'nowhere'", "*/nowhere is not a Chalice project: it has no app.py. *"),
    ],
)
def test_an_overridden_fixture_that_gives_what_cannot_be_is_a_sentence(
    stranger: Stranger, fixture: str, value: str, sentence: str
) -> None:
    conftest = f"""
        import pytest
        @pytest.fixture(scope="session")
        def {fixture}(): return {value}
    """
    result = stranger.test(conftest=conftest, test_it="def test_it(chalice_app): pass")
    result.stdout.fnmatch_lines(["*ERROR at setup of test_it*", sentence])
    assert "pytest_sessionplugin/" not in result.stdout.str()


def test_pytest_formats_one_frame_for_an_error_that_is_reported_as_a_sentence(stranger: Stranger) -> None:
    """It parses the file of each frame, which took a quarter of a second."""
    conftest = """
        import pytest
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_makereport(call):
            if call.excinfo: print(call.when, "formats", len(call.excinfo.traceback))
    """
    (stranger.root / "app.py").unlink()
    result = stranger.test("-s", conftest=conftest, test_it="def test_it(chalice_app): pass")
    result.stdout.fnmatch_lines(["*setup formats 1", "*is not a Chalice project: it has no app.py. *"])


def test_an_error_of_the_sdk_ends_at_the_line_of_the_test(stranger: Stranger) -> None:
    result = stranger.test(test_it="def test_it(dynamodb_tables): dynamodb_tables['Rooms'].put_item(Item={'n': 'x'})")
    result.stdout.fnmatch_lines(["E * Missing the key name in the item", "test_it.py:1: ClientError"])
    result.stdout.no_fnmatch_line("*botocore/client.py*")


def test_a_project_that_a_fixture_names_begins_at_the_rootdir(stranger: Stranger) -> None:
    write_project(stranger.root / "service")
    body = """
        import os, pytest
        @pytest.fixture(scope="session")
        def chalice_project(): return "service"
        @pytest.fixture(scope="session", autouse=True)
        def elsewhere(tmp_path_factory): os.chdir(tmp_path_factory.mktemp("elsewhere"))
        def test_it(chalice_app):
            import app
            assert os.path.basename(os.path.dirname(app.__file__)) == "service"
    """
    stranger.test(test_it=body).assert_outcomes(passed=1)


def test_where_warnings_are_errors_an_authorizer_that_cannot_be_run_is_a_sentence(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(APP + COGNITO)
    result = stranger.test(test_it="def test_it(chalice_gateway): pass")
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_it*", "authorizers that cannot be run here: Cognito (GET /pool), which lets pass *"]
    )
    assert "pytest_sessionplugin/" not in result.stdout.str()
    allowed = stranger.test("-W", "ignore::pytest_sessionplugin.AuthorizerNotRun")
    allowed.assert_outcomes(passed=1)
