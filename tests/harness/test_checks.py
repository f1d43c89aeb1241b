"""Leftovers at the end of a test, and the switch that allows each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_sessionplugin import options
from pytest_sessionplugin.aws.faults import Fault, Kind
from pytest_sessionplugin.contract.contract import Deviation
from pytest_sessionplugin.errors import BlockedCall
from pytest_sessionplugin.gateway.values import Observed, Send
from pytest_sessionplugin.harness import checks
from pytest_sessionplugin.lambdas.threads import Left
from pytest_sessionplugin.options import ChaliceMark

FAULT = Fault("dynamodb", Kind.UNREACHABLE)
LEFT = Left("audit", ("sweep",), "calls dynamodb:PutItem")
DEVIATION = Deviation(
    Observed(0.0, Send("a", "x")), "the app sent a frame, and it is none of a, b", "chat.yaml#/operations"
)
LINE = "   0.000  socket a < x"
BLOCKED = BlockedCall("translate", "ListLanguages", "nothing emulates it.")


def test_nothing_left_is_no_problem() -> None:
    assert checks.problems() == []


def test_each_problem_names_its_switch() -> None:
    found = checks.problems(
        open_sockets=["VNR="], unfired=[FAULT], blocked=[BLOCKED], left=[LEFT], off_contract=[(DEVIATION, LINE)]
    )
    assert [problem.switch for problem in found] == list(options.SWITCHES)
    assert str(found[0]) == (
        "1 WebSocket still open: VNR=. Close what a test opens, or open it with `with`.\n"
        '    allow it with @pytest.mark.chalice(allow="open_sockets")'
    )
    assert "a fault never fired: unreachable at dynamodb." in str(found[1])
    assert "translate:ListLanguages was blocked: nothing emulates it." in str(found[2])
    assert "the thread 'audit' calls dynamodb:PutItem after sweep had returned: on Lambda it stands" in str(found[3])
    assert str(found[4]) == (
        "off the contract: the app sent a frame, and it is none of a, b\n"
        "    chat.yaml#/operations\n"
        "     0.000  socket a < x\n"
        '    allow it with @pytest.mark.chalice(allow="off_contract")'
    )


def test_deviations_are_told_once_for_each_place_and_not_without_end() -> None:
    places = [replace(DEVIATION, place=f"chat.yaml#/{number}") for number in (0, 0, *range(1, 8))]
    [problem] = checks.problems(off_contract=[(place, LINE) for place in places])
    assert "none of a, b (2 times like this)\n    chat.yaml#/0\n" in str(problem)
    assert "    chat.yaml#/4\n" in str(problem)
    assert "    chat.yaml#/5\n" not in str(problem)
    assert "… and 3 more places of the contract\n" in str(problem)


def test_a_budget_without_its_block_is_a_problem() -> None:
    (found,) = checks.problems(without_block=["aws_calls.exactly({'dynamodb': 1})"])
    assert str(found).startswith("aws_calls.exactly({'dynamodb': 1}) counted nothing: write `with` before it")


def test_sockets_of_a_deployed_stage_have_no_ids_to_name() -> None:
    (found,) = checks.problems(open_sockets=[None, None])
    assert str(found).startswith("2 WebSockets still open. Close what")


def test_what_is_allowed_is_no_problem() -> None:
    allowed = {"open_sockets", "blocked_calls"}
    found = checks.problems(open_sockets=["VNR="], unfired=[FAULT], blocked=[BLOCKED], allowed=allowed)
    assert [problem.switch for problem in found] == ["unfired_faults"]


def test_a_mark_takes_one_switch_or_several() -> None:
    assert ChaliceMark.of(allow="open_sockets").allow == {"open_sockets"}
    assert ChaliceMark.of(allow=["open_sockets", "blocked_calls"]).allow == {"open_sockets", "blocked_calls"}
    assert ChaliceMark.of(allow="other_hosts").allow == {"other_hosts"}
    with pytest.raises(ValueError, match="allow: there is no open_socket; there are open_sockets, unfired_faults"):
        ChaliceMark.of(allow="open_socket")


def test_a_test_adds_to_what_its_module_asks_for() -> None:
    outer = ChaliceMark.of(env={"A": "outer", "B": "outer"}, allow="open_sockets")
    inner = ChaliceMark.of(env={"A": "inner"}, allow="blocked_calls").over(outer)
    assert inner == ChaliceMark(True, {"A": "inner", "B": "outer"}, frozenset({"open_sockets", "blocked_calls"}))


def test_an_environment_of_its_own_needs_an_app_of_its_own() -> None:
    assert ChaliceMark.of(env={"A": "1"}).fresh
    assert not ChaliceMark.of().fresh
