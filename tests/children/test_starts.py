"""However a process is started, it gets the variables of the account that is open; without one, it gets none."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pytest_sessionplugin.children.starts import ACCOUNT, FOLDER, STARTS, Led

ADDRESS = "http://127.0.0.1:1/key#a%20test"


@pytest.fixture
def led() -> Iterator[None]:
    STARTS.follow(Led(ADDRESS))
    yield
    STARTS.follow(None)


def test_a_process_without_variables_of_its_own_has_those_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    own = dict(os.environb)
    assert STARTS.environment(ADDRESS, None) == {
        **own,
        b"PYTHONPATH": FOLDER.encode(),
        ACCOUNT.encode(): ADDRESS.encode(),
    }
    assert dict(os.environb) == own


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, FOLDER),
        ({"PYTHONPATH": ""}, FOLDER),  # an empty part would be the working directory
        ({"PYTHONPATH": "/here:/there"}, f"{FOLDER}:/here:/there"),
        ({b"PYTHONPATH": b"/here"}, f"{FOLDER}:/here"),
        ({"PYTHONPATH": f"/here:{FOLDER}"}, f"/here:{FOLDER}"),
    ],
)
def test_given_variables_stay_and_the_path_is_lengthened(given: Mapping[str, str], path: str) -> None:
    variables = {"AWS_REGION": "eu-west-1", **given}
    assert STARTS.environment(ADDRESS, variables) == {
        b"AWS_REGION": b"eu-west-1",
        b"PYTHONPATH": path.encode(),
        ACCOUNT.encode(): ADDRESS.encode(),
    }


def command(out: Path) -> list[str]:
    """Writes what the process has as its account."""
    code = f"import os; open({str(out)!r}, 'w').write(os.environ.get({ACCOUNT!r}, 'none'))"
    return [sys.executable, "-I", "-S", "-c", code]


def by_subprocess(out: Path) -> None:
    subprocess.run(command(out), check=True)


def by_subprocess_with_variables(out: Path) -> None:
    subprocess.run(command(out), check=True, env={"A": "1"})


def by_subprocess_with_posix_spawn(out: Path) -> None:
    subprocess.run(command(out), check=True, close_fds=False, restore_signals=False)


def by_shell(out: Path) -> None:
    (out.parent / "child.py").write_text(command(out)[-1])
    subprocess.run(f"{sys.executable} {out.parent / 'child.py'}", check=True, shell=True)  # noqa: S602 - own words


def by_system(out: Path) -> None:
    (out.parent / "child.py").write_text(command(out)[-1])
    assert os.system(f"{sys.executable} {out.parent / 'child.py'}") == 0  # noqa: S605 - own words
    assert ACCOUNT not in os.environ


def by_popen(out: Path) -> None:
    (out.parent / "child.py").write_text(command(out)[-1])
    with os.popen(f"{sys.executable} {out.parent / 'child.py'}") as pipe:  # noqa: S605 - own words
        pipe.read()


def by_spawnv(out: Path) -> None:
    assert os.spawnv(os.P_WAIT, sys.executable, command(out)) == 0  # noqa: S606 - a shell is another way


def by_spawnve(out: Path) -> None:
    assert os.spawnve(os.P_WAIT, sys.executable, command(out), {"A": "1"}) == 0  # noqa: S606 - a shell is another way


def by_posix_spawn(out: Path) -> None:
    os.waitpid(os.posix_spawn(sys.executable, command(out), {"A": "1"}), 0)


def by_asyncio(out: Path) -> None:
    async def start() -> None:
        process = await asyncio.create_subprocess_exec(*command(out))
        assert await process.wait() == 0

    asyncio.run(start())


def write(out: Path) -> None:
    out.write_text(os.environ.get(ACCOUNT, "none"))


def by_spawn(out: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=write, args=(out,))
    process.start()
    process.join()


def by_forkserver(out: Path) -> None:
    process = multiprocessing.get_context("forkserver").Process(target=write, args=(out,))
    process.start()
    process.join()


WAYS = [
    *(by_subprocess, by_subprocess_with_variables, by_subprocess_with_posix_spawn, by_shell, by_system, by_popen),
    *(by_spawnv, by_spawnve, by_posix_spawn, by_asyncio, by_spawn, by_forkserver),
]


@pytest.mark.process
@pytest.mark.parametrize("start", WAYS)
def test_each_way_to_start_a_process_leads_it(start: Callable[[Path], None], led: None, tmp_path: Path) -> None:
    start(tmp_path / "out")
    assert (tmp_path / "out").read_text() == ADDRESS


@pytest.mark.process
@pytest.mark.parametrize("start", WAYS)
def test_without_an_account_no_process_is_led(start: Callable[[Path], None], tmp_path: Path) -> None:
    STARTS.follow(None)  # the ways are wrapped
    start(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "none"


@pytest.mark.process
def test_a_fork_server_of_an_earlier_test_starts_processes_of_the_present_one(led: None, tmp_path: Path) -> None:
    by_forkserver(tmp_path / "first")
    STARTS.follow(Led("http://127.0.0.1:2/other#another"))
    by_forkserver(tmp_path / "second")
    assert (tmp_path / "second").read_text() == "http://127.0.0.1:2/other#another"


def test_a_function_s_own_variables_are_not_its_child_s(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_sessionplugin.app.isolation import View, views_in_use

    monkeypatch.setenv("SHARED", "of the process")
    with views_in_use(), View({"SHARED": "of the function"}, ()).within():
        assert os.environ["SHARED"] == "of the function"
        assert STARTS.environment(ADDRESS, None)[b"SHARED"] == b"of the process"
