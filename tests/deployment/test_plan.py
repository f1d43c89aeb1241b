"""Our reading of a stage agrees with Chalice's plan of the same files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployment import plan, stage
from deployment.errors import DeploymentError
from tests.sources import ROOT


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_chalice_would_deploy_each_function_as_the_stage_has_it(name: str) -> None:
    planned, staged = plan.read(ROOT, name), stage.read(ROOT, name)
    assert {
        one.name: (one.full_name, one.role, one.memory, one.timeout, one.environment, one.policy_file, one.log_days)
        for one in planned.functions
    } == {
        one.name: (
            *(one.full_name, one.role, one.memory, one.timeout, one.environment),
            staged.folder / one.policy_file,
            staged.log_days,
        )
        for one in staged.functions
    }


def test_reading_a_plan_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SESSIONS_TABLE", raising=False)
    plan.read(ROOT, "dev")
    assert "SESSIONS_TABLE" not in os.environ


def test_a_project_without_configuration_is_answered_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"finds nothing to deploy .*project config file"):
        plan.read(tmp_path, "dev")
