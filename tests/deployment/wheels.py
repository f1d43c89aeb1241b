"""Small wheels, made by hand, and a lock file that names them; pip needs no package index for them."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path

import pytest


class Shelf:
    """A folder of wheels and a lock file that names all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "wheels"
        self.folder.mkdir(exist_ok=True)
        self.lock = folder / "requirements.lock"
        self._hashes: dict[str, list[str]] = {}

    def wheel(self, name: str, tags: str, **files: str) -> Path:
        """Adds version 1.0 of a package with one module, `<name>.py`, which holds the tags, and other files."""
        information = f"{name}-1.0.dist-info"
        contents = {
            f"{name}.py": f"TAGS = {tags!r}\n",
            f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tags}\n",
            **{path.replace("INFORMATION", information): text for path, text in files.items()},
        }
        lines = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in contents.items()]
        contents[f"{information}/RECORD"] = "\n".join([*lines, f"{information}/RECORD,,", ""])
        path = self.folder / f"{name}-1.0-{tags}.whl"
        with zipfile.ZipFile(path, "w") as made:
            for entry, text in contents.items():
                made.writestr(entry, text)
        self._hashes.setdefault(name, []).append(hashlib.sha256(path.read_bytes()).hexdigest())
        self._write()
        return path

    def _write(self) -> None:
        lines = (
            " \\\n".join([f"{name}==1.0", *(f"    --hash=sha256:{one}" for one in hashes)])
            for name, hashes in self._hashes.items()
        )
        self.lock.write_text("# made by a test\n" + "\n".join(lines) + "\n")


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def offline(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Makes pip look for packages on this shelf alone."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf.folder))
    return shelf
