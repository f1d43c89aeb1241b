"""The apps of this suite can be deployed: everything that Chalice would refuse before it calls AWS is checked here."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from chalice.config import Config
from chalice.deploy.validate import validate_configuration
from chalice.policy import AppPolicyGenerator
from chalice.utils import OSUtils

from tests.conformance.adapters import APPS


@pytest.mark.parametrize("name", sorted(path.parent.name for path in APPS.glob("*/app.py")))
def test_chalice_deploys_the_app(name: str) -> None:
    """Chalice accepts its routes and types, and can work out the policy it leaves to Chalice."""
    app = import_module(f"tests.conformance.apps.{name}.app").app
    text = (APPS / name / ".chalice" / "config.json").read_text()
    told = {"chalice_app": lambda: app, "project_dir": str(APPS / name)}
    config = Config(
        "dev", user_provided_params=told, config_from_disk=json.loads(text), default_params={"autogen_policy": True}
    )
    validate_configuration(config)
    if config.autogen_policy:
        assert AppPolicyGenerator(OSUtils()).generate_policy(config)["Statement"]
    else:
        assert json.loads((APPS / name / ".chalice" / "policy-dev.json").read_text())["Statement"]
