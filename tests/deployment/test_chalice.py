"""`chalice package` of a checkout that fails, and what it is given of this process's environment."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

from deployment import chalice, stage
from deployment.errors import DeploymentError
from tests.deployment.checkouts import checkout
from tests.sources import ROOT

pytestmark = pytest.mark.process


@pytest.fixture
def project(tmp_path: Path) -> stage.Stage:
    """A stage whose files a test may change."""
    return dataclasses.replace(stage.read(ROOT, "dev"), root=checkout(tmp_path / "project"))


def packaged(project: stage.Stage) -> list[str]:
    """Output of Chalice, which packages to `out` beside the project."""
    merge = project.root.parent / "merge.json"
    merge.write_text(json.dumps({"Description": "merged"}))
    said: list[str] = []
    chalice.package(project, merge, project.root.parent / "out", said.append)
    return said


def test_chalice_packages_without_credentials_region_or_profile_and_leaves_no_bytecode(
    project: stage.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    assert packaged(project) == ["Creating deployment package."]
    out = project.root.parent / "out"
    assert sorted(path.name for path in out.iterdir()) == [chalice.CODE, chalice.TEMPLATE]
    assert json.loads((out / chalice.TEMPLATE).read_text())["Description"] == "merged"
    assert list(project.root.rglob("*.pyc")) == []


def test_the_app_is_that_of_the_project_and_not_of_this_process(project: stage.Stage) -> None:
    importlib.import_module("app")
    app = project.root / "app.py"
    app.write_text(app.read_text() + '\n@app.route("/added")\ndef added():\n    return {}\n')
    packaged(project)
    template = json.loads((project.root.parent / "out" / chalice.TEMPLATE).read_text())
    assert "/added" in template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]


def test_an_app_that_cannot_be_imported_ends_in_its_last_line(project: stage.Stage) -> None:
    (project.root / "app.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(DeploymentError, match=r"^Chalice could not package: .*No module named 'nothing_of_this_name'"):
        packaged(project)
