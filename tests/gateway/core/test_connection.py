"""The states of a connection: what may follow what."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway.core.connection import Connection, IllegalTransition, State
from tests.gateway.core.desk import NOON

LEGAL = {(State.PENDING, State.OPEN), (State.PENDING, State.CLOSED), (State.OPEN, State.CLOSED)}


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_a_state_is_followed_by_a_later_one_alone(old: State, new: State) -> None:
    connection = Connection("alice", "127.0.0.1", None, NOON, NOON, state=old)
    if (old, new) in LEGAL:
        connection.become(new)
        assert connection.state is new
    else:
        with pytest.raises(IllegalTransition, match=f"alice cannot go from {old.name} to {new.name}"):
            connection.become(new)
        assert connection.state is old
