"""The service as its settings wire it, and its readiness."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.errors import SettingsError, Unavailable
from chalicelib.keys import StoredKeys
from chalicelib.memory import MemoryStore
from chalicelib.service import Readiness, build
from tests.service.fakes import NOON
from tests.service.test_settings import COMPLETE

LOCAL = {**COMPLETE, "AWS_CHALICE_CLI_MODE": "true"}


def test_chalice_local_has_its_store_in_memory_and_is_ready_at_once(tmp_path: Path) -> None:
    service = build(LOCAL, tmp_path, lambda: NOON)
    assert isinstance(service.store, MemoryStore)
    assert service.settings.tables is None
    service.readiness.check()


def test_chalice_local_without_a_key_makes_one_for_the_checkout(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    service = build({**LOCAL, "JWT_SECRET": ""}, tmp_path, lambda: NOON)
    made = (tmp_path / ".chalice" / "local" / "key").read_text().strip()
    assert list(service.keys.keys_for(None, "HS256", NOON)) == [made]


@pytest.mark.slow
def test_a_stage_has_tables_and_stored_keys_and_asks_neither_when_it_is_built(tmp_path: Path) -> None:
    service = build({**COMPLETE, "JWT_SECRET": "ssm:/sessions/dev/jwt"}, tmp_path, lambda: datetime.now(UTC))
    assert not isinstance(service.store, MemoryStore)
    assert isinstance(service.keys, StoredKeys)
    assert service.settings.region == "eu-west-1"


def test_weak_settings_build_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 32 bytes"):
        build({**COMPLETE, "JWT_SECRET": "short"}, tmp_path, lambda: NOON)


@pytest.mark.parametrize("failure", [Unavailable("The database"), RuntimeError("AccessDenied")])
def test_a_probe_is_cached_for_five_seconds_whether_it_fails_or_not(failure: Exception) -> None:
    seconds, asked, down = [0.0], [0], [False]

    def probe() -> None:
        asked[0] += 1
        if down[0]:
            raise failure

    readiness = Readiness(probe, lambda: seconds[0])
    readiness.check()
    down[0], seconds[0] = True, 4.9
    readiness.check()
    seconds[0] = 5.0
    for _ in range(2):
        with pytest.raises(Unavailable):
            readiness.check()
    down[0], seconds[0] = False, 10.0
    readiness.check()
    assert asked[0] == 3
