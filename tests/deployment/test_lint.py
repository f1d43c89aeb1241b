"""cfn-lint's verdict on small templates."""

from __future__ import annotations

from typing import Any

import pytest

from deployment import lint
from deployment.errors import DeploymentError

pytestmark = [pytest.mark.process, pytest.mark.slow]


def template(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}}}


def test_errors_end_a_deploy_and_each_names_its_template_place_and_rule() -> None:
    templates = {
        "right": template("AWS::SQS::Queue", DelaySeconds=1),
        "wrong": template("AWS::SQS::Queue", DelaySecond=1),
        "worse": template("AWS::SNS::Topic", KmsMasterKeyId=[]),
    }
    with pytest.raises(DeploymentError) as refused:
        lint.check(templates, lambda line: None)
    told = str(refused.value)
    assert told.startswith("CloudFormation would refuse the template. ")
    assert "wrong Resources.It.Properties.DelaySecond: E3002 " in told
    assert "worse Resources.It.Properties.KmsMasterKeyId: E3012 " in told
    assert "right" not in told


def test_warnings_are_told_and_end_nothing() -> None:
    said: list[str] = []
    unused = {**template("AWS::SQS::Queue"), "Parameters": {"Unused": {"Type": "String"}}}
    lint.check({"warned": unused}, said.append)
    [line] = said
    assert line.startswith("warned Parameters.Unused: W2001 ")


def test_a_cfn_lint_that_cannot_run_ends_a_deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(DeploymentError, match="cfn-lint could not run"):
        lint.check({"right": template("AWS::SQS::Queue")}, lambda line: None)
