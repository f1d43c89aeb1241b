"""What is seen of an error under a test: its own line, the sentence, the app's; nothing of how the kit is made."""

from __future__ import annotations

from tests.plugin.conftest import Stranger

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


def test_fixture(other):
    pass


def test_module(chalice_load):
    chalice_load("chalicelib.broken")
"""

SENTENCES = [
    '>       aws_faults.throttled("dynamodb:PutItm")',
    "E *there is no operation of dynamodb named PutItm, but PutItem*",
    ">       with aws_calls.at_most(dynmodb=1):",
    "E *there is no service of AWS named dynmodb, but dynamodb*",
    '>       aws_calls.denied_by("app.py")',
    "E *app.py: it is not JSON: *",
    '>       chalice_gateway.invoke("swep")',
    "E *there is no function swep, but sweep; there are: *",
    '>       chalice_gateway.http().get("rooms")',
    "E *a path begins with '/', 'rooms' does not",
]


def test_what_the_kit_refuses_is_the_line_that_asked_and_a_sentence(stranger: Stranger) -> None:
    broken = stranger.root / "chalicelib"
    broken.mkdir()
    (broken / "__init__.py").touch()
    (broken / "broken.py").write_text("BEFORE = 1\n1 / 0\n")
    result = stranger.test(test_it=WRONG)
    result.assert_outcomes(failed=6, errors=1)
    result.stdout.fnmatch_lines(SENTENCES)
    result.stdout.fnmatch_lines(['>       return chalice_gateway.of("nowhere")', "E *nowhere is no Chalice project: *"])
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
    assert "json/decoder.py" not in shown
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


def test_a_slip_of_the_kit_stays_whole(stranger: Stranger) -> None:
    result = stranger.test(test_it="def test_slip(jwt_tokens): jwt_tokens('alice', expires_in='soon')")
    result.stdout.fnmatch_lines(["*tokens.py:*: TypeError"])


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
