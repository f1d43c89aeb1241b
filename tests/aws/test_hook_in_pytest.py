"""A thread of the app that outlives its test reaches no AWS; a team's own threads and mocks work as ever."""

from __future__ import annotations

import pytest

from tests.strangers import APP, Stranger

APP_WITH_A_POLLER = (
    APP
    + """

import threading
from queue import Queue
from concurrent.futures import ThreadPoolExecutor

secrets = boto3.client("secretsmanager")
pool = ThreadPoolExecutor(1, thread_name_prefix="pool")
todo, done = Queue(), Queue()


def poll():
    while todo.get():
        try:
            done.put(table.scan()["Count"])
        except Exception as error:
            done.put(error)


signing, sign = threading.Event(), threading.Event()


def hesitate(**_):
    if threading.current_thread().name == "slow":
        signing.set()
        sign.wait(10)


def scan_slowly():
    try:
        table.scan()
    except Exception as error:
        done.put(error)


@app.route("/start")
def start():
    threading.Thread(target=poll, name="poller", daemon=True).start()
    table.meta.client.meta.events.register("before-sign", hesitate)
    threading.Thread(target=scan_slowly, name="slow", daemon=True).start()
    signing.wait(10)
    pool.submit(table.scan).result()
    return {}
"""
)

SUITE = """
import sys
import threading
import boto3
import pytest
from moto import mock_aws


def polled():
    app = sys.modules["app"]
    app.todo.put(True)
    return app.done.get(timeout=10)


@pytest.mark.chalice(allow="left_threads")
def test_a_first(chalice_gateway):
    assert chalice_gateway.http().get("/start").status_code == 200
    assert polled() == 0


def test_b_a_call_that_began_before_the_end_is_not_sent():
    sys.modules["app"].sign.set()
    error = sys.modules["app"].done.get(timeout=10)
    assert str(error).startswith("dynamodb:Scan was blocked: the thread 'slow' has outlived test_it.py::test_a_first,")


def test_b_a_thread_of_a_test_before_is_blocked():
    error = polled()
    assert type(error).__name__ == "BlockedCall"
    sentence = "dynamodb:Scan was blocked: the thread 'poller' has outlived test_it.py::test_a_first,"
    assert str(error).startswith(sentence)
    polled()
    with pytest.raises(RuntimeError, match="the thread 'pool_0' has outlived test_it.py::test_a_first"):
        sys.modules["app"].pool.submit(sys.modules["app"].table.scan).result()
    # Blocked before it is signed: a search for credentials may be a call, too.
    with pytest.raises(RuntimeError, match="secretsmanager:GetSecretValue was blocked"):
        sys.modules["app"].pool.submit(sys.modules["app"].secrets.get_secret_value, SecretId="s").result()


def test_c_inside_another_test_of_ours_it_is_answered(dynamodb_tables):
    dynamodb_tables["Rooms"].put_item(Item={"name": "a"})
    assert polled() == 1


def test_d_inside_a_mock_of_theirs_it_is_answered():
    with mock_aws():
        boto3.client("dynamodb", region_name="us-east-1").create_table(
            TableName="rooms-us-east-1",
            KeySchema=[dict(AttributeName="name", KeyType="HASH")],
            AttributeDefinitions=[dict(AttributeName="name", AttributeType="S")],
            BillingMode="PAY_PER_REQUEST",
        )
        assert polled() == 0


def test_e_their_own_threads_are_theirs():
    # No server listens at that port. The call leaves, as it does in a process without the plugin.
    from botocore.config import Config
    from botocore.exceptions import EndpointConnectionError

    client = boto3.client(
        "dynamodb", region_name="us-east-1", endpoint_url="http://127.0.0.1:9",
        config=Config(retries={"total_max_attempts": 1}), aws_access_key_id="x", aws_secret_access_key="x",
    )
    raised = []

    def ask():
        try:
            client.list_tables()
        except EndpointConnectionError as error:
            raised.append(error)

    ask()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(raised) == 2


def test_f_it_is_blocked_again_and_can_end():
    assert type(polled()).__name__ == "BlockedCall"
    sys.modules["app"].todo.put(False)
"""


@pytest.mark.interpreter
def test_a_thread_that_outlives_its_test_is_blocked_between_tests_and_named_at_the_end(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(APP_WITH_A_POLLER)
    (stranger.root / "test_it.py").write_text(SUITE)
    result = stranger.test()
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(
        [
            "*= sessionplugin: calls of threads that outlived their test =*",
            "dynamodb:Scan was blocked: the thread 'poller' has outlived test_it.py::test_a_first, * (times: 3)",
            "dynamodb:Scan was blocked: the thread 'pool_0' has outlived test_it.py::test_a_first, * (times: 1)",
        ]
    )
