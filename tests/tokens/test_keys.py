"""The key of a checkout: made once, for its owner only, the same for everybody who asks."""

from __future__ import annotations

import stat
import subprocess
import threading
from pathlib import Path

import pytest

from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.tokens import keys as module
from pytest_sessionplugin.tokens.keys import local_key, local_key_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".chalice").mkdir()
    return tmp_path


def test_it_is_made_once_and_for_its_owner_only(root: Path) -> None:
    key = local_key(root, "HS256")
    assert key == local_key(root, "HS256")
    assert key.private.startswith("local-")
    assert len(key.private) >= 70
    assert stat.S_IMODE(local_key_path(root).stat().st_mode) == 0o600


def test_all_who_ask_at_once_get_the_same(root: Path) -> None:
    gate, keys = threading.Barrier(8), set()

    def ask() -> None:
        gate.wait(10)
        keys.add(local_key(root, "HS256").private)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(keys) == 1


def test_git_ignores_it_without_a_line_of_the_repository(root: Path) -> None:
    local_key(root, "HS256")
    git = ["git", "-C", str(root), "-c", "core.excludesFile=/dev/null"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (root / ".chalice" / "config.json").write_text("{}")
    status = subprocess.run([*git, "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True)
    assert status.stdout == "?? .chalice/config.json\n"
    assert stat.S_IMODE(local_key_path(root).parent.stat().st_mode) == 0o700


def test_a_key_that_others_could_read_is_closed_to_them(root: Path) -> None:
    key = local_key(root, "HS256")
    local_key_path(root).chmod(0o644)
    assert local_key(root, "HS256") == key
    assert stat.S_IMODE(local_key_path(root).stat().st_mode) == 0o600


def test_a_key_that_somebody_else_made_is_taken_as_it_is(root: Path) -> None:
    local_key_path(root).parent.mkdir()
    local_key_path(root).write_text("local-made-elsewhere\n")
    assert local_key(root, "HS256").private == "local-made-elsewhere"


def test_a_key_of_another_kind_is_a_sentence(root: Path) -> None:
    local_key(root, "HS256")
    with pytest.raises(ProjectError, match=r"local/key holds no key for RS256; delete it"):
        local_key(root, "RS256")


def test_an_empty_file_is_a_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.0)
    local_key_path(root).parent.mkdir()
    local_key_path(root).touch()
    with pytest.raises(ProjectError, match=r"local/key is empty; delete it"):
        local_key(root, "HS256")


def test_a_folder_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"local/key cannot be made: No such file or directory"):
        local_key(tmp_path, "HS256")


def test_a_file_that_cannot_be_read_is_a_sentence(root: Path) -> None:
    path = local_key_path(root)
    path.parent.mkdir()
    path.write_bytes(b"\xff")
    with pytest.raises(ProjectError, match=r"local/key holds no key; delete it, and a new one is made"):
        local_key(root, "HS256")
    path.unlink()
    path.mkdir()
    with pytest.raises(ProjectError, match=r"local/key cannot be read: "):
        local_key(root, "HS256")
