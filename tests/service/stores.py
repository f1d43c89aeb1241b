"""What the tests of both stores say of them, whichever it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from chalicelib import sessions
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Once, Session, Written
from chalicelib.settings import Tables as TableNames
from chalicelib.storage import Store
from pytest_sessionplugin.aws.tables import Tables
from tests.service.fakes import ALICE, NOON

AnyStore: TypeAlias = "Store | MemoryStore"
HOUR = timedelta(hours=1)


def stored(store: AnyStore, session: Session) -> Session:
    found = store.find_session(session.session_id)
    assert found is not None
    return found


def roster(store: AnyStore, session_id: str) -> list[str]:
    return sorted(one.connection_id for page in store.roster(session_id) for one in page)


def again(store: AnyStore, once: Once, draft: Draft, subject: str, number: int, now: datetime = NOON) -> Written:
    return sessions.create_session(
        draft,
        replace(ALICE, subject=subject),
        store=store,
        now=now,
        random=lambda size: bytes([number]) * size,
        request_id=f"create-{number}",
        once=once,
    )


def names_of(tables: Tables) -> TableNames:
    return TableNames(*(tables[logical].name for logical in ("Sessions", "Connections", "Events")))
