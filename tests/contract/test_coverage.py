"""Coverage of contracts is counted by file, and added up over processes."""

from __future__ import annotations

from pytest_sessionplugin.contract.coverage import Coverage


def started() -> Coverage:
    coverage = Coverage()
    coverage.expect("api.yaml", "openapi", [("GET /a 200", ""), ("GET /a 404", ""), ("GET /a 429", "API Gateway")])
    return coverage


def test_what_is_missing_is_listed() -> None:
    coverage = started()
    coverage.see("api.yaml", "GET /a 200")
    assert not coverage.is_complete
    assert list(coverage.lines()) == [
        "api.yaml: 1 of 2 answers seen",
        "    not seen: GET /a 404",
        "    not counted, by API Gateway: 1",
    ]


def test_it_is_complete_without_what_others_answer() -> None:
    coverage = started()
    for part in ("GET /a 200", "GET /a 404"):
        coverage.see("api.yaml", part)
    assert coverage.is_complete
    coverage.see("api.yaml", "GET /a 429")  # nobody minds
    assert list(coverage.lines()) == ["api.yaml: 3 of 3 answers seen"]


def test_without_a_contract_it_is_not_complete() -> None:
    assert not Coverage().is_complete
    assert "no test was held to a contract" in next(Coverage().lines())


def test_processes_add_theirs_together() -> None:
    one, other, both = started(), started(), Coverage()
    one.see("api.yaml", "GET /a 200")
    other.see("api.yaml", "GET /a 404")
    for each in (one, other, Coverage()):
        both.add(each.dumped())
    assert both.is_complete
    assert both.files["api.yaml"].kind == "openapi"
