"""Each permission of each function is needed: moved to another resource, it makes some act fail.

The functions run with their roles on an emulator that enforces IAM. Policies only allow, so an act that fails with
the permission elsewhere also fails without it, or without its statement.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.rehearsal.probes import ACTS, all_of
from tests.rehearsal.rights import REMEMBERED, Right, elsewhere, rights
from tests.rehearsal.stage import RehearsedStage, empty_account
from tests.rehearsal.visitor import HASTE, Visitor


@pytest.fixture(scope="module")
def stage() -> Iterator[RehearsedStage]:
    with empty_account() as stage:
        stage.deploy()
        with Visitor(stage) as visitor:
            all_of(visitor)  # wait briefly for frames that must not come; a cold start takes longer
        yield stage


@pytest.fixture
def visitor(stage: RehearsedStage) -> Iterator[Visitor]:
    with Visitor(stage) as visitor:
        yield visitor


@contextlib.contextmanager
def policy(visitor: Visitor, function: str, change: Any) -> Iterator[None]:
    """Gives the role of a function the changed policy until the block ends."""
    [name] = [one.full_name for one in visitor.stage.described.functions if one.name == function]
    arn: str = visitor.stage.client("lambda").get_function_configuration(FunctionName=name)["Role"]
    iam, role = visitor.stage.client("iam"), arn.rpartition("/")[2]
    [inline] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    before: Mapping[str, Any] = iam.get_role_policy(RoleName=role, PolicyName=inline)["PolicyDocument"]
    iam.put_role_policy(RoleName=role, PolicyName=inline, PolicyDocument=json.dumps(change(before)))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=inline, PolicyDocument=json.dumps(before))


def failing(visitor: Visitor, function: str) -> Any:
    """The first act of a function that fails; None if all succeed."""
    for act in ACTS[function]:
        try:
            act(visitor)
        except Exception:  # noqa: BLE001 - any error counts: the act succeeds with the whole policy
            return act
    return None


@pytest.mark.parametrize("function", ACTS)
def test_with_its_policy_a_function_does_all_that_it_is_for(visitor: Visitor, function: str) -> None:
    for act in ACTS[function]:
        act(visitor)


@pytest.mark.parametrize("right", list(rights()), ids=str)
def test_without_one_of_its_rights_a_function_fails(visitor: Visitor, right: Right) -> None:
    with policy(visitor, right.function, lambda whole: elsewhere(whole, right)):
        if right.sid in REMEMBERED:
            visitor.renew(right.function)
        with Visitor(visitor.stage, patience=HASTE) as hasty:
            failed = failing(hasty, right.function)
    assert failed is not None, "nothing needs it"
    if right.sid in REMEMBERED:
        visitor.renew(right.function)
    failed(visitor)  # with the whole policy it succeeds at once
