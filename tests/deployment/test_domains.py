"""The template of two domain names: cfn-lint accepts it, both names take TLS 1.2, and the APIs keep their own hosts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

TEMPLATE = ROOT / "deployment" / "domains.json"
RESOURCES = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]


def linted(template: Path) -> str:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--template", str(template)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.process
def test_cfn_lint_has_nothing_to_say_but_of_a_template_that_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(TEMPLATE.read_text(encoding="utf-8").replace('"RestApiId"', '"ApiId"'), encoding="utf-8")
    assert "'ApiId' was unexpected" in linted(wrong)
    assert linted(TEMPLATE) == ""


def test_both_names_take_tls_1_2_or_newer() -> None:
    http = RESOURCES["HttpName"]["Properties"]
    [websocket] = RESOURCES["WebsocketName"]["Properties"]["DomainNameConfigurations"]
    assert {http["SecurityPolicy"], websocket["SecurityPolicy"]} == {"TLS_1_2"}
    assert {http["RegionalCertificateArn"]["Ref"], websocket["CertificateArn"]["Ref"]} == {"Certificate"}


def test_a_name_is_mapped_as_a_whole_so_that_paths_and_the_location_of_a_session_need_no_prefix() -> None:
    assert "BasePath" not in RESOURCES["HttpMapping"]["Properties"]
    assert "ApiMappingKey" not in RESOURCES["WebsocketMapping"]["Properties"]


def test_the_template_touches_no_api() -> None:
    """Deliveries go by the WebSocket API's own host, which must stay enabled."""
    kinds = {one["Type"].rpartition(":")[2] for one in RESOURCES.values()}
    assert kinds == {"DomainName", "BasePathMapping", "ApiMapping"}
