"""Saved queries name log groups that exist and fields that are logged."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from chalicelib import context, logs
from chalicelib.errors import Unauthenticated
from deployment import gateway_settings, stage
from deployment.monitoring import queries
from deployment.monitoring.queries import Query
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
QUERIES = {query.name: query for query in queries.queries(DEV)}
SYNTAX = {  # of Logs Insights
    *("fields", "filter", "stats", "sort", "limit", "as", "by", "asc", "desc", "and", "or", "not", "like"),
    *("count", "pct", "max", "ispresent"),
}

of_each_query = pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))


def flat(line: dict[str, object]) -> Iterator[str]:
    """Names of fields as Logs Insights flattens them."""
    for name, value in line.items():
        yield from (f"{name}.{index}" for index, _ in enumerate(value)) if isinstance(value, list) else (name,)


@pytest.fixture(scope="module")
def lines() -> list[dict[str, object]]:
    """Lines of a function: of a refused handshake, of a bug in one, and of their metrics."""
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(logs.as_json())
    logger = logging.getLogger(logs.NAME)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    known = {"correlation_id": "c", "request_id": "r", "session_id": "s", "connection_id": "i", "subject": "h"}
    try:
        for error in (Unauthenticated(""), ValueError()):
            with (
                contextlib.redirect_stdout(stream),
                context.observed("connect", logs.Place("dev", "f"), **known) as event,
            ):
                event.ends_with(error)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture(scope="module")
def logged(lines: list[dict[str, object]]) -> set[str]:
    """Names of the fields of a function's lines."""
    return {name for line in lines for name in flat(line)}


def fields(query: Query) -> set[str]:
    """All words of a query that are neither syntax nor values nor names that it gives itself."""
    text = re.sub(r'"[^"]*"|/[^/\n]*/', "", "\n".join(query.steps))
    given = set(re.findall(r"\bas (\w+)", text))
    return set(re.findall(r"(?<![\w@.])[a-zA-Z_][\w.]*", text)) - SYNTAX - given


@of_each_query
def test_a_query_asks_for_fields_that_its_log_groups_have(query: Query, logged: set[str]) -> None:
    groups = {
        **{function.log_group: logged for function in DEV.functions},
        DEV.http_log_group: set(gateway_settings.HTTP_FIELDS),
        DEV.websocket_log_group: set(gateway_settings.WEBSOCKET_FIELDS),
    }
    assert query.groups
    assert fields(query) <= set().union(*(groups[name] for name in query.groups))


def test_a_misspelt_field_would_be_found(logged: set[str]) -> None:
    assert fields(Query("x", (), ('filter corelation_id = "ID"',))) - logged == {"corelation_id"}


def test_a_placeholder_is_explained() -> None:
    assert {name for name, query in QUERIES.items() if '"ID"' in query.text} == {"correlation", "connection"}
    assert all("Replace" in query.note for query in QUERIES.values() if '"ID"' in query.text)


@of_each_query
def test_a_query_is_saved_in_the_folder_of_its_stage(query: Query) -> None:
    resource = query.resource(DEV)
    assert resource["Type"] == queries.KIND
    assert resource["Properties"]["Name"] == f"sessions-dev/{query.name}"
    assert len(resource["Properties"]["QueryString"]) <= 10_000  # characters, the limit of CloudWatch Logs
    assert query.logical_id.isalnum()
    assert query.logical_id.endswith("Query")


def test_a_refused_handshake_has_the_values_that_its_query_compares(lines: list[dict[str, object]]) -> None:
    compared = dict(re.findall(r'(\w+) = "(\w+)"', QUERIES["refused-handshakes"].text))
    assert compared
    assert len([line for line in lines if compared.items() <= line.items()]) == 1
