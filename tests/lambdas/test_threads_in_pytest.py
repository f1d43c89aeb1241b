"""Threads that functions leave behind, in a stranger's project, fail the test, and no other threads do."""

from __future__ import annotations

from tests.strangers import Stranger

APP = """
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
import boto3
from chalice import Chalice
from chalicelib import work

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
table = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])
pool = ThreadPoolExecutor(1, thread_name_prefix="pool")
go_on = threading.Event()
done = threading.Event()
began = threading.Event()


def wait():
    began.set()
    go_on.wait(20)
    done.set()


def write():
    go_on.wait(20)
    try:
        table.put_item(Item={"name": "late"})
    finally:
        done.set()


@app.route("/thread/{job}", methods=["POST"])
def thread(job):
    threading.Thread(target={"wait": wait, "write": write}[job], name="audit").start()
    return {}


@app.route("/timer", methods=["POST"])
def timer():
    later = threading.Timer(20, wait)
    later.name = "later"
    later.daemon = True
    later.start()
    app.later = later
    return {}


@app.route("/pool/{job}", methods=["POST"])
def executor(job):
    pool.submit({"wait": wait, "write": write}[job])
    return {}


@app.route("/ping", methods=["POST"])
def ping():
    return {}


@app.route("/fine", methods=["POST"])
def fine():
    work.threads_that_end(table)
    pool.submit(table.put_item, Item={"name": "in time"}).result()
    said = queue.Queue()
    threading.Thread(target=lambda: said.put("done")).start()
    said.get()
    return {}


@app.route("/s3", methods=["POST"])
def s3():
    client = boto3.client("s3")
    client.create_bucket(Bucket="files")
    import io
    client.upload_fileobj(io.BytesIO(b"x"), "files", "large")
    client.download_fileobj("files", "large", io.BytesIO())
    return {}


@app.on_ws_message()
def message(event):
    connection, api = event.connection_id, app.websocket_api

    def post():
        go_on.wait(20)
        try:
            boto3.client(
                "apigatewaymanagementapi", endpoint_url=f"https://{event.domain_name}/{event.stage}"
            ).post_to_connection(ConnectionId=connection, Data=b"late")
        finally:
            done.set()

    threading.Thread(target=post, name="poster").start()
"""

WORK = """
import threading


def threads_that_end(table):
    threads = [threading.Thread(target=table.put_item, kwargs={"Item": {"name": str(n)}}) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""

CONFTEST = """
    import sys
    import threading
    import pytest

    @pytest.fixture
    def post(chalice_gateway):
        app = sys.modules["app"]
        app.go_on.clear()
        app.done.clear()
        app.began.clear()
        yield lambda path: chalice_gateway.http().post(path)
        app.go_on.set()
        for thread in threading.enumerate():
            if thread.name in ("audit", "poster"):  # else it would set `done` in the next test
                thread.join(20)
        if app.pool._threads:  # else the test would start its worker, and not the app
            app.pool.submit(int).result()
        if hasattr(app.app, "later"):
            app.app.later.cancel()

    @pytest.fixture
    def let_go():
        app = sys.modules["app"]
        def let_go():
            app.go_on.set()
            assert app.done.wait(20)
        return let_go
"""

LEFT = """
    import sys
    import pytest

    pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])

    def test_thread_that_runs(post):
        assert post("/thread/wait").status_code == 200

    def test_thread_that_writes(post, let_go):
        post("/thread/write")
        let_go()

    def test_timer(post):
        post("/timer")

    def test_pool_that_runs(post):
        post("/pool/wait")
        assert sys.modules["app"].began.wait(20)
        post("/ping")

    def test_post(chalice_gateway, post, let_go):
        with chalice_gateway.websocket() as ws:
            ws.send_text("now")
            chalice_gateway.settle()
            let_go()
            ws.receive_text()

    @pytest.mark.chalice(allow="left_threads")
    def test_allowed(post, let_go):
        post("/pool/write")
        let_go()

    def test_what_another_test_has_left_is_not_this_one_s(post):
        post("/fine")
"""

FINE = """
    import threading
    from concurrent.futures import ThreadPoolExecutor
    import pytest

    pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])

    def test_threads_that_are_waited_for_and_pools_at_rest(post):
        for _ in range(5):
            assert post("/fine").status_code == 200

    def test_transfers_of_s3(post):
        assert post("/s3").status_code == 200
        assert post("/fine").status_code == 200

    def test_threads_of_the_test(post, dynamodb_tables, chalice_gateway):
        import app
        from chalicelib import work

        with ThreadPoolExecutor(4) as mine:
            asked = [mine.submit(post, "/fine") for _ in range(8)]
            wrote = [mine.submit(lambda: app.table.put_item(Item={"name": "mine"})) for _ in range(8)]
            helped = [mine.submit(lambda: work.threads_that_end(app.table)) for _ in range(5)]
            assert {each.result().status_code for each in asked} == {200}
            [each.result() for each in (*wrote, *helped)]

    def test_a_server_of_moto(post):
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(port=0)
        server.start()
        try:
            assert post("/fine").status_code == 200
        finally:
            server.stop()
"""


def project(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / "chalicelib").mkdir()
    (stranger.root / "chalicelib" / "__init__.py").write_text("")
    (stranger.root / "chalicelib" / "work.py").write_text(WORK)


def test_what_is_left_fails_the_test_and_is_named(stranger: Stranger) -> None:
    project(stranger)
    result = stranger.test(conftest=CONFTEST, test_it=LEFT)
    result.assert_outcomes(passed=2 * 7, errors=2 * 5)
    thread = "the thread 'audit' still runs, in wait (app.py:*), after api_handler had returned: on Lambda it stands *"
    result.stdout.fnmatch_lines(
        [
            thread,
            '*allow it with @pytest.mark.chalice(allow="left_threads")',
            thread,
            "the thread 'audit' still runs, in write (app.py:*), after api_handler had returned*",
            "the thread 'later' still runs, in wait before it begins, after api_handler had returned*",
            "the thread 'pool_0' * in wait (app.py:*), after api_handler had returned*",
            "the thread 'poster' still runs, in post (app.py:*), after websocket_message had returned*",
        ]
    )


def test_nothing_else_is(stranger: Stranger) -> None:
    project(stranger)
    result = stranger.test(conftest=CONFTEST, test_it=FINE)
    result.assert_outcomes(passed=2 * 4)
