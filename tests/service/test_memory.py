from __future__ import annotations

import threading
from pathlib import Path

from chalicelib.memory import local_key


def test_the_key_of_a_checkout_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "local.key"
    first = local_key(path)
    assert first.startswith("local-")
    assert len(first) >= 64
    assert local_key(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["local.key"]


def test_those_who_ask_at_the_same_time_get_the_same_key(tmp_path: Path) -> None:
    keys: list[str] = []
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait(5)
        keys.append(local_key(tmp_path / "local.key"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (len(keys), len(set(keys))) == (8, 1)
