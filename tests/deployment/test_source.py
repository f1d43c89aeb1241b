"""Exports from real checkouts of git."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.errors import DeploymentError
from deployment.source import export
from tests.deployment.checkouts import commit, git

pytestmark = pytest.mark.process


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of one commit."""
    folder = tmp_path / "checkout"
    (folder / "chalicelib").mkdir(parents=True)
    (folder / "app.py").write_text("app = 1\n")
    (folder / "chalicelib" / "model.py").write_text("model = 1\n")
    (folder / ".gitignore").write_text("*.key\n")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_commit_is_exported_under_its_id_without_what_git_ignores(checkout: Path, tmp_path: Path) -> None:
    (checkout / "local.key").write_text("secret")
    exported = export(checkout, tmp_path / "out")
    assert (exported.version, exported.dirty) == (git(checkout, "rev-parse", "HEAD")[:12], False)
    assert files(exported.folder) == {
        "app.py": "app = 1\n",
        "chalicelib/model.py": "model = 1\n",
        ".gitignore": "*.key\n",
    }


def test_a_dirty_checkout_is_exported_as_it_is_and_says_so(checkout: Path, tmp_path: Path) -> None:
    (checkout / "app.py").write_text("app = 2\n")
    (checkout / "new.py").write_text("new = 1\n")
    (checkout / "chalicelib" / "model.py").unlink()
    (checkout / "local.key").write_text("secret")
    exported = export(checkout, tmp_path / "out")
    assert exported.dirty
    assert exported.version.startswith(git(checkout, "rev-parse", "HEAD")[:12] + "-dirty-")
    assert files(exported.folder) == {"app.py": "app = 2\n", "new.py": "new = 1\n", ".gitignore": "*.key\n"}


def test_two_dirty_trees_of_a_commit_have_two_versions_and_the_same_tree_has_one(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "app.py").write_text("app = 2\n")
    first, again = (export(checkout, tmp_path / name).version for name in ("first", "again"))
    (checkout / "app.py").write_text("app = 3\n")
    assert first == again != export(checkout, tmp_path / "other").version


def test_an_export_leaves_the_checkout_as_it_was(checkout: Path, tmp_path: Path) -> None:
    (checkout / "app.py").write_text("app = 2\n")
    (checkout / "new.py").write_text("new = 1\n")
    before = {path: path.is_file() and path.read_bytes() for path in checkout.rglob("*")}
    export(checkout, tmp_path / "out")
    assert {path: path.is_file() and path.read_bytes() for path in checkout.rglob("*")} == before


def test_a_project_may_be_a_folder_of_its_checkout(checkout: Path, tmp_path: Path) -> None:
    """A change elsewhere in the checkout does not make it dirty."""
    (checkout / "app.py").write_text("app = 2\n")
    exported = export(checkout / "chalicelib", tmp_path / "out")
    assert not exported.dirty
    assert files(exported.folder) == {"model.py": "model = 1\n"}


def test_variables_of_a_hook_name_no_other_checkout(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "app.py").write_text("other = 1\n")
    git(other, "init", "--quiet")
    commit(other)
    version = git(checkout, "rev-parse", "HEAD")[:12]
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert export(checkout, tmp_path / "out").version == version


def test_line_ends_are_those_of_the_commit_whatever_the_settings(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "config", "core.autocrlf", "true")
    (checkout / "app.py").write_bytes(b"app = 1\r\n")  # as git checks it out with this setting
    exported = export(checkout, tmp_path / "out")
    assert (exported.folder / "app.py").read_bytes() == b"app = 1\n"
    assert not exported.dirty


def test_a_link_stays_a_link(checkout: Path, tmp_path: Path) -> None:
    (checkout / "link.py").symlink_to("app.py")
    commit(checkout)
    assert (export(checkout, tmp_path / "out").folder / "link.py").readlink() == Path("app.py")


def test_a_folder_outside_of_git_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"cannot be exported, .* not a git repository"):
        export(tmp_path, tmp_path / "out")


def test_a_checkout_without_a_commit_is_refused_in_a_sentence(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(DeploymentError, match="only a commit is deployed"):
        export(tmp_path, tmp_path / "out")


def test_a_worktree_is_a_checkout_too(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "--quiet", str(tmp_path / "beside"))
    assert export(tmp_path / "beside", tmp_path / "out").version == git(checkout, "rev-parse", "HEAD")[:12]


def test_a_machine_without_git_is_told_so(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeploymentError, match="git is needed"):
        export(checkout, tmp_path / "out")
