"""Checkouts of the service in git, which a test may change and package without a package index."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.sources import ROOT

LEFT_OUT = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "venv", "local")


def checkout(folder: Path) -> Path:
    """The files that a package is made of, committed; its lock file names no package."""
    folder.mkdir(exist_ok=True)
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for name in ("app.py", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("requirements.in", "requirements.lock", "requirements.txt"):
        (folder / name).write_text("")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def commit(folder: Path) -> str:
    """Commits everything in the folder, at a fixed time, and returns the id of the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Made by a test", "--date", "2026-01-01T00:00:00Z")
    return git(folder, "rev-parse", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *settings, *arguments],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
