"""Chalice's insides (1.29 to 1.34), and the only package that knows them: what an app deploys, and how to run it."""

from pytest_sessionplugin.chalice_internals.deployed import (
    describe,
    event_sources,
    function_names,
    scheduled,
    schedules,
)
from pytest_sessionplugin.chalice_internals.logs import log_no_failures, log_to_root, loggers_kept
from pytest_sessionplugin.chalice_internals.running import Functions, Process, share, start_cold

__all__ = [
    "Functions",
    "Process",
    "describe",
    "event_sources",
    "function_names",
    "log_no_failures",
    "log_to_root",
    "loggers_kept",
    "scheduled",
    "schedules",
    "share",
    "start_cold",
]
