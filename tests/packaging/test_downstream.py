"""Another team's project in its own folder, with the wheel and with each optional package."""

from __future__ import annotations

from pathlib import Path

from tests.packaging.environment import Environment

HERE = "sessionplugin: target {target}, project {project} (default), stage dev (default)"


def header(target: str, project: Path) -> str:
    return HERE.format(target=target, project=project.resolve())


def test_in_process_it_needs_what_the_wheel_asks_for_and_no_more(plain: Environment, downstream: Path) -> None:
    run = plain.pytest(cwd=downstream)
    assert run.outcomes == {"passed": 38, "skipped": 2}, run.output
    assert header("inprocess (default)", downstream) in run.output


def test_on_sockets_it_needs_the_extra(with_sockets: Environment, downstream: Path) -> None:
    run = with_sockets.pytest("--sessionplugin-target=sockets", cwd=downstream)
    assert run.outcomes == {"passed": 40}, run.output
    assert header("sockets (--sessionplugin-target)", downstream) in run.output


def test_under_xdist_it_is_the_same(with_xdist: Environment, downstream: Path) -> None:
    run = with_xdist.pytest("-n", "2", cwd=downstream)
    assert run.outcomes == {"passed": 40}, run.output
    assert header("inprocess (default)", downstream) in run.output
