"""Children of handlers and of tests reach the account of the test that started them, and no proxy sees them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.strangers import Stranger

KIDS = """
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def put(name):
    import boto3

    boto3.client("dynamodb").put_item(TableName="rooms-us-east-1", Item={"name": {"S": name}})


def send(path, queue):
    import boto3

    s3 = boto3.client("s3")
    s3.put_object(Bucket="toys", Key="a b", Body=bytes(range(256)))
    with open(path, "rb") as file:
        s3.upload_fileobj(file, "toys", "file")
    with open(path, "rb") as file:
        s3.put_object(Bucket="toys", Key="stream", Body=file)
    assert s3.get_object(Bucket="toys", Key="a b")["Body"].read() == bytes(range(256))
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="dear")


CODE = f"import sys; sys.path.insert(0, {os.getcwd()!r}); from chalicelib.kids import put; put(sys.argv[1])"


def start(way):
    command = [sys.executable, "-c", CODE, way]
    if way == "subprocess":
        return subprocess.run(command).returncode
    if way == "env":
        return subprocess.run(command, env={"AWS_DEFAULT_REGION": "us-east-1"}).returncode
    if way == "os.fork":
        pid = os.fork()
        if pid == 0:
            try:
                put(way)
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitpid(pid, 0)[1]
    kind, method = way.split()
    if kind == "Pool":
        with get_context(method).Pool(1) as pool:
            pool.map(put, [way])
        return 0
    if kind == "Executor":
        with ProcessPoolExecutor(1, get_context(method)) as executor:
            list(executor.map(put, [way]))
        return 0
    process = get_context(method).Process(target=put, args=(way,))
    process.start()
    process.join()
    return process.exitcode
"""

APP = """
from chalice import Chalice

from chalicelib import kids

app = Chalice("nursery")


@app.route("/start/{way}", methods=["POST"])
def start(way):
    return kids.start(way.replace("-", " "))
"""

WAYS = """
WAYS = ["subprocess", "env", "os.fork", "Process fork", "Process spawn", "Process forkserver",
        "Pool fork", "Pool spawn", "Pool forkserver", "Executor spawn", "Executor fork", "Executor forkserver"]
"""


@pytest.fixture
def nursery(stranger: Stranger) -> Stranger:
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / "chalicelib").mkdir(exist_ok=True)
    (stranger.root / "chalicelib" / "__init__.py").touch()
    (stranger.root / "chalicelib" / "kids.py").write_text(KIDS)
    return stranger


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The requests of clients that would leave the machine: they are sent to this proxy."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listening.getsockname()[1]}")

        def accept() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    seen.append(client.recv(200))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield seen
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.interpreter
@pytest.mark.slow
def test_each_way_to_start_a_child_reaches_the_account(nursery: Stranger, proxy: list[bytes]) -> None:
    test = f"""
        import pytest
        {WAYS.strip()}

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        @pytest.mark.parametrize("way", WAYS)
        def test_from_a_handler(chalice_gateway, dynamodb_tables, aws_calls, way):
            answer = chalice_gateway.http().post(f"/start/{{way.replace(' ', '-')}}")
            assert answer.json() == 0
            assert [row["name"] for row in dynamodb_tables["Rooms"].scan()["Items"]] == [way]
            assert [(str(call), call.function) for call in aws_calls] == [("dynamodb:PutItem", "api_handler")]

        def test_from_the_test_itself(dynamodb_tables, aws_calls):
            from chalicelib import kids
            assert [kids.start(way) for way in ("subprocess", "os.fork")] == [0, 0]
            assert aws_calls.count("dynamodb:PutItem") == dynamodb_tables["Rooms"].scan()["Count"] == 2
    """
    nursery.test("-W", "error", test_ways=test).assert_outcomes(passed=25)
    assert proxy == []


def test_faults_meet_children_and_their_retries_are_counted(nursery: Stranger) -> None:
    test = """
        import pytest
        from chalicelib import kids

        @pytest.mark.parametrize("way", ["subprocess", "os.fork"])
        def test_throttled(dynamodb_tables, aws_faults, aws_calls, way):
            fault = aws_faults.throttled("dynamodb:PutItem", times=2)
            assert kids.start(way) == 0
            assert (fault.fired, aws_calls.retries, aws_calls.backoff > 0) == (2, 2, True)
            assert aws_calls.count("dynamodb:PutItem") == dynamodb_tables["Rooms"].scan()["Count"] == 1

        @pytest.mark.parametrize("way", ["subprocess", "os.fork"])
        def test_refused(dynamodb_tables, aws_faults, way):
            aws_faults.failing("dynamodb", code="AccessDeniedException", status=400, message="no")
            assert kids.start(way) != 0
            assert dynamodb_tables["Rooms"].scan()["Count"] == 0
    """
    nursery.test(test_faults=test).assert_outcomes(passed=4)


def test_files_and_messages_of_children_arrive_as_they_are(nursery: Stranger) -> None:
    test = """
        from multiprocessing import get_context
        import boto3
        from chalicelib import kids

        def test_files(aws_calls, tmp_path):
            (tmp_path / "file").write_bytes(b"\\0" * 9_000_000)
            s3, sqs = boto3.client("s3"), boto3.client("sqs")
            s3.create_bucket(Bucket="toys")
            queue = sqs.create_queue(QueueName="letters")["QueueUrl"]
            process = get_context("spawn").Process(target=kids.send, args=(str(tmp_path / "file"), queue))
            process.start()
            process.join()
            assert process.exitcode == 0
            kept = {each["Key"]: each["Size"] for each in s3.list_objects_v2(Bucket="toys")["Contents"]}
            assert kept == {"a b": 256, "file": 9_000_000, "stream": 9_000_000}
            assert s3.get_object(Bucket="toys", Key="a b")["Body"].read() == bytes(range(256))
            assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "dear"
    """
    nursery.test(test_files=test).assert_outcomes(passed=1)


def test_children_may_ask_aws_without_botocore(nursery: Stranger, proxy: list[bytes]) -> None:
    test = """
        import subprocess
        import sys
        import boto3
        import pytest

        URLLIB = "import urllib.request as u; u.urlopen(u.Request(sys.argv[1], data=b'hello', method='PUT'))"
        REQUESTS = "import requests; requests.put(sys.argv[1], data=b'hello').raise_for_status()"

        @pytest.mark.parametrize("code", [URLLIB, REQUESTS])
        def test_upload(aws_calls, code):
            s3 = boto3.client("s3")
            s3.create_bucket(Bucket="toys")
            url = s3.generate_presigned_url("put_object", Params={"Bucket": "toys", "Key": "doll"})
            subprocess.run([sys.executable, "-c", f"import sys; {code}", url], check=True)
            assert s3.get_object(Bucket="toys", Key="doll")["Body"].read() == b"hello"
            assert aws_calls.count("s3:PutObject") == 1
    """
    nursery.test(test_upload=test).assert_outcomes(passed=2)
    assert proxy == []


def test_a_child_that_outlives_its_test_is_refused_and_not_answered_by_the_next(nursery: Stranger) -> None:
    test = """
        import os
        import subprocess
        import sys
        import pytest

        CODE = (
            "import boto3, sys; client = boto3.client('dynamodb'); print('ready', flush=True); input(); "
            "client.put_item(TableName='rooms-us-east-1', Item={'name': {'S': 'late'}})"
        )
        LEFT = []

        def test_first(aws_calls):
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            child = subprocess.Popen([sys.executable, "-c", CODE], text=True, **pipes)
            assert child.stdout.readline() == "ready\\n"
            LEFT.append(child)

        def test_second(aws_calls, dynamodb_tables):
            subprocess.run([sys.executable, "-c", ""])  # this test listens, too
            assert LEFT[0].communicate("\\n")[1].splitlines()[-1].endswith(
                "BlockedCall: dynamodb:PutItem was blocked: this process has outlived test_late.py::test_first, "
                "which started it. Let it end there."
            )
            assert (len(aws_calls), dynamodb_tables["Rooms"].scan()["Count"]) == (0, 0)
    """
    nursery.test(test_late=test).assert_outcomes(passed=2)


def test_a_child_may_open_an_account_of_its_own(nursery: Stranger) -> None:
    """Such as pytest or `sessionplugin serve` in a test of them."""
    inner = """
        import subprocess
        import sys
        from pathlib import Path
        import boto3
        from pytest_sessionplugin import Project, in_memory

        def queues():
            return boto3.client("sqs").list_queues().get("QueueUrls", [])

        assert len(queues()) == 1
        with in_memory(Project(Path.cwd())):
            boto3.client("sqs").create_queue(QueueName="own")
            count = "import boto3; assert boto3.client('sqs').list_queues()['QueueUrls'][0].endswith('/own')"
            subprocess.run([sys.executable, "-c", count], check=True)
            assert queues()[0].endswith("/own")
        assert len(queues()) == 1
        assert queues()[0].endswith("/outer")
    """
    test = """
        import subprocess
        import sys
        import boto3

        def test_inner(aws_calls):
            boto3.client("sqs").create_queue(QueueName="outer")
            subprocess.run([sys.executable, "inner.py"], check=True)
            assert len(boto3.client("sqs").list_queues()["QueueUrls"]) == 1
    """
    nursery.test(inner=inner, test_inner=test).assert_outcomes(passed=1)


def test_the_test_s_own_tables_are_refused_in_a_fork(nursery: Stranger) -> None:
    test = """
        import multiprocessing

        def write(table, pipe):
            try:
                table.put_item(Item={"name": "lost"})
            except Exception as error:
                pipe.send(str(error))

        def test_fork(dynamodb_tables):
            here, there = multiprocessing.Pipe()
            process = multiprocessing.get_context("fork").Process(target=write, args=(dynamodb_tables["Rooms"], there))
            process.start()
            assert here.recv().endswith("a fork has a copy of dynamodb_tables. Use a boto3 client there.")
            process.join()
    """
    nursery.test(test_fork=test).assert_outcomes(passed=1)


def test_where_sockets_are_blocked_children_start_and_their_calls_say_so(nursery: Stranger) -> None:
    """As pytest-socket does it."""
    conftest = """
        import socket
        import pytest

        @pytest.fixture(autouse=True)
        def no_sockets(monkeypatch):
            class Guarded(socket.socket):
                def __new__(cls, *arguments, **options):
                    raise RuntimeError("a test tried to use a socket")
            monkeypatch.setattr(socket, "socket", Guarded)
    """
    test = """
        import subprocess
        import sys

        def test_no_child(chalice_gateway, dynamodb_tables):
            assert chalice_gateway.http().get("/").status_code == 403

        def test_children(chalice_gateway, dynamodb_tables):
            assert subprocess.run([sys.executable, "-c", "print('hello')"], capture_output=True).stdout == b"hello\\n"
            call = "import boto3; boto3.client('dynamodb').list_tables()"
            ended = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True)
            assert "cannot listen on loopback (RuntimeError: a test tried to use a socket)" in ended.stderr
    """
    nursery.test(conftest=conftest, test_blocked=test).assert_outcomes(passed=2)


def test_without_an_account_children_are_nobody_s(nursery: Stranger) -> None:
    test = """
        import os
        import subprocess
        import sys
        from multiprocessing import get_context

        def seen():
            return os.environ.get("SESSIONPLUGIN_ACCOUNT")

        SHOW = [sys.executable, "-c", "import os; print(os.environ.get('SESSIONPLUGIN_ACCOUNT'))"]

        def test_with(aws_calls):
            with get_context("forkserver").Pool(1) as pool:
                assert pool.apply(seen).startswith("http://127.0.0.1:")
            assert subprocess.run(SHOW, capture_output=True).stdout.startswith(b"http://127.0.0.1:")

        def test_without():
            with get_context("forkserver").Pool(1) as pool:
                assert pool.apply(seen) is None
            assert subprocess.run(SHOW, capture_output=True).stdout == b"None\\n"
    """
    nursery.test(test_nobody=test).assert_outcomes(passed=2)
