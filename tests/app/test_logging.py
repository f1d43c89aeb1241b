"""Changes that an app makes to loggers are undone before the next one is imported."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from chalice.app import Chalice

from pytest_sessionplugin.app.logging import LoggerState, log_to_root, loggers_kept, put_back, states


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = states()
    yield
    put_back(before)


def test_handlers_filters_levels_and_propagation_are_as_they_were() -> None:
    log, handler = logging.getLogger("loggers.test"), logging.StreamHandler()
    log.addHandler(handler)
    before = states()
    for changed in (log, logging.getLogger("loggers.test.new"), logging.getLogger()):
        changed.addHandler(logging.StreamHandler())
        changed.addFilter(lambda record: False)
        changed.setLevel(logging.CRITICAL)
        changed.propagate = False
    put_back(before)
    assert states() == {**before, "loggers.test.new": LoggerState((), (), logging.NOTSET, True)}
    assert log.handlers == [handler]


def test_the_null_handler_of_a_library_stays() -> None:
    before = states()
    library = logging.getLogger("loggers.of_a_library")
    library.addHandler(logging.NullHandler())
    library.addHandler(logging.StreamHandler())
    put_back(before)
    assert [type(each) for each in library.handlers] == [logging.NullHandler]


def test_the_log_goes_to_pytest_and_afterwards_as_before(caplog: pytest.LogCaptureFixture) -> None:
    listener = logging.NullHandler()
    with loggers_kept():
        app = Chalice("logs-of-chat")
        as_made = list(app.log.handlers)
        with log_to_root(app, listener):
            app.log.error("heard")
            assert listener in app.log.handlers
        assert (app.log.handlers, app.log.propagate) == (as_made, False)
    assert (app.log.handlers, app.log.propagate) == ([], True)
    assert caplog.messages == ["heard"]
