"""Tables of a live DynamoDB, over real HTTP: moto's own server, and servers of another kind."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pytest_sessionplugin import tables_at
from pytest_sessionplugin.aws.table_specs import checked
from pytest_sessionplugin.errors import EndpointError, SessionPluginError
from tests.aws.opened import opened
from tests.aws.specs import ROOMS, SCORES
from tests.processes import process
from tests.strangers import Stranger

SERVER = """
import threading
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto's server with two tables in one region, and more than a page of them in another.

    In a process of its own: in this one it would share moto's tables with every mock.
    """
    import boto3

    from pytest_sessionplugin.aws import environment, tables

    with process([sys.executable, "-c", SERVER]) as server:
        assert server.stdout is not None
        ready = server.stdout.readline().split()
        assert ready, "moto's server ended before it was ready"
        url = f"http://{ready[0]}:{ready[1]}"
        with environment.applied(environment.neutral("us-east-1")):
            tables.create({"Rooms": ROOMS, "Scores": SCORES}, {}, boto3.resource("dynamodb", endpoint_url=url))
            many = boto3.client("dynamodb", endpoint_url=url, region_name="eu-west-1")
            for number in range(101):
                many.create_table(
                    TableName=f"table-{number}",
                    KeySchema=SCORES["KeySchema"],
                    AttributeDefinitions=SCORES["AttributeDefinitions"][:1],
                    BillingMode="PAY_PER_REQUEST",
                )
        yield url


@pytest.mark.process
def test_specs_are_what_the_tables_were_made_of(endpoint: str) -> None:
    found = tables_at(endpoint)
    assert found == {"chat-dev-Rooms": ROOMS, "scores": SCORES}
    assert checked(found) == found


@pytest.mark.process
def test_tables_are_chosen_by_prefix_or_by_name(endpoint: str) -> None:
    assert tables_at(endpoint, prefix="chat-dev-") == {"Rooms": ROOMS}
    assert tables_at(endpoint, ["scores"]) == tables_at(endpoint, "scores") == {"scores": SCORES}
    assert tables_at(endpoint, {"Rooms": "chat-dev-Rooms"}) == {"Rooms": ROOMS}
    assert len(tables_at(endpoint, region="eu-west-1")) == 101
    assert tables_at(endpoint, region="eu-west-2") == {}


@pytest.mark.process
def test_what_is_not_there_is_a_sentence_with_what_is(endpoint: str) -> None:
    with pytest.raises(EndpointError, match=r":\d+ has no table score; in us-east-1 there are: chat-dev-Rooms, scores"):
        tables_at(endpoint, ["score"])
    with pytest.raises(EndpointError, match=r"has no table whose name begins with x; in eu-west-2 there are: none\."):
        tables_at(endpoint, prefix="x", region="eu-west-2")


@pytest.mark.process
def test_only_the_endpoint_is_called_whatever_the_machine_is_set_up_for(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto import mock_aws

    from pytest_sessionplugin.aws import environment
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "none of these")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    with mock_aws():
        assert set(tables_at(endpoint, ["scores"])) == {"scores"}
    with environment.applied(environment.neutral("us-east-1")), opened(Emulator({})) as aws:
        with aws.faults.throttled("dynamodb"):
            assert set(tables_at(endpoint, ["scores"])) == {"scores"}
        assert len(aws.calls) == 0


@contextmanager
def answering(status: int, body: str, kind: str = "text/html") -> Iterator[str]:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Location", "http://127.0.0.1:9")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, "<html>", "is not DynamoDB: it lists no tables."),
        (200, '["a"]', "is not DynamoDB: it does not answer with a JSON object."),
        (200, "{}", "is not DynamoDB: it lists no tables."),
        (302, "{}", "is not DynamoDB: it answers ListTables with 302."),
        (404, "{}", "is not DynamoDB: it answers ListTables with 404."),
        (
            400,
            '{"__type": "com.amazon#UnrecognizedClientException"}',
            "refuses ListTables: UnrecognizedClientException.",
        ),
    ],
)
def test_what_is_no_dynamodb_is_a_sentence(status: int, body: str, sentence: str) -> None:
    with answering(status, body) as url, pytest.raises(EndpointError) as raised:
        tables_at(url)
    assert str(raised.value).startswith(f"{url} {sentence}")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://dynamodb.us-east-1.amazonaws.com",
        "http://dynamodb.us-east-1.amazonaws.com",
        "http://192.0.2.1:8000",
        "127.0.0.1:8000",
        "",
        None,
    ],
)
def test_no_real_table_is_called(endpoint: Any) -> None:
    with pytest.raises(EndpointError, match=r"must begin with http:// and be on loopback; no real table is called\."):
        tables_at(endpoint)


@pytest.mark.sockets
def test_a_port_that_is_none_and_one_where_nobody_is_are_sentences() -> None:
    with pytest.raises(EndpointError, match=r"http://localhost:x is not a URL: Port could not be cast"):
        tables_at("http://localhost:x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        SessionPluginError, match=rf"http://127.0.0.1:{port} does not answer as DynamoDB does \(.*\); is"
    ):
        tables_at(f"http://127.0.0.1:{port}")


@pytest.mark.process
def test_a_team_takes_its_tables_from_the_dynamodb_that_runs(stranger: Stranger, endpoint: str) -> None:
    conftest = f"""
        import pytest
        from pytest_sessionplugin import tables_at

        @pytest.fixture(scope="session")
        def dynamodb_specs():
            return tables_at("{endpoint}", prefix="chat-dev-")
    """
    body = """
        def test_it(dynamodb_tables):
            assert list(dynamodb_tables) == ["Rooms"]
            dynamodb_tables["Rooms"].put_item(Item={"place": "a", "name": "b", "owner": "c", "title": "d", "x": 1})
            found = dynamodb_tables["Rooms"].query(
                IndexName="by-owner", KeyConditionExpression="#o = :o",
                ExpressionAttributeNames={"#o": "owner"}, ExpressionAttributeValues={":o": "c"},
            )
            assert found["Items"] == [{"place": "a", "name": "b", "owner": "c", "title": "d"}]
    """
    stranger.test(conftest=conftest, test_it=body).assert_outcomes(passed=1)
    closed = conftest.replace(endpoint, "http://127.0.0.1:1")
    result = stranger.test(conftest=closed, test_it=body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *http://127.0.0.1:1 does not answer as DynamoDB does (*); is it running?"])
    result.stdout.no_fnmatch_line("*live_tables.py*")
