"""Waiting for AWS in a stranger's project: nothing hangs, and no thread keeps others from their calls."""

from __future__ import annotations

from tests.strangers import Stranger

APP = """
import boto3
from chalice import Chalice

app = Chalice("chat")
sqs = boto3.client("sqs")


@app.route("/next")
def next_message():
    answer = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="jobs")["QueueUrl"])
    return [message["Body"] for message in answer.get("Messages", [])]
"""

CONFTEST = """
    import sys
    import threading
    import time
    import boto3
    import pytest

    @pytest.fixture
    def until_it_waits():
        def wait_for(thread):
            give_up = time.monotonic() + 10
            while sys._current_frames()[thread.ident].f_code is not threading.Condition.wait.__code__:
                assert time.monotonic() < give_up

        return wait_for

    @pytest.fixture
    def queue(aws_calls):
        wait = {"ReceiveMessageWaitTimeSeconds": "20"}
        return boto3.client("sqs").create_queue(QueueName="jobs", Attributes=wait)["QueueUrl"]

    class Poller(threading.Thread):
        def __init__(self, queue):
            super().__init__(daemon=True)
            self.queue, self.found = queue, None

        def run(self):
            answer = boto3.client("sqs").receive_message(QueueUrl=self.queue)
            self.found = [message["Body"] for message in answer.get("Messages", [])]

        def ends(self, seconds=10):  # less than its wait
            self.join(seconds)
            return not self.is_alive()

    @pytest.fixture
    def poller(queue, until_it_waits):
        poller = Poller(queue)
        poller.start()
        until_it_waits(poller)
        return poller
"""


def test_polls_end_and_are_woken(stranger: Stranger) -> None:
    body = """
        import threading
        import time
        import boto3
        import pytest

        pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])

        def test_the_tests_own_thread(chalice_clock, queue):
            began = time.monotonic(), chalice_clock.now
            assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)
            assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=queue)
            assert time.monotonic() - began[0] < 10
            assert chalice_clock.now == began[1]
            chalice_clock.advance(seconds=5)

        def test_a_handler(chalice_clock, queue, chalice_gateway):
            began = time.monotonic()
            assert chalice_gateway.http().get("/next").json() == []
            assert time.monotonic() - began < 10
            boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="job")
            assert chalice_gateway.http().get("/next").json() == ["job"]

        def test_another_thread_and_time(chalice_clock, poller):
            chalice_clock.advance(seconds=19)
            assert not poller.ends(0.1)
            chalice_clock.advance(seconds=5)
            assert poller.ends()
            assert poller.found == []

        def test_another_thread_and_a_delay(chalice_clock, poller, queue):
            boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="job", DelaySeconds=3)
            chalice_clock.advance(seconds=5)
            assert poller.ends()
            assert poller.found == ["job"]

        def test_another_thread_and_a_message_after_its_wait(chalice_clock, poller, queue):
            boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="job", DelaySeconds=25)
            chalice_clock.advance(seconds=30)
            assert poller.ends()
            assert poller.found == []

        def test_a_message_is_hidden_for_as_long_as_its_timeout(chalice_clock, queue):
            sqs = boto3.client("sqs")
            sqs.send_message(QueueUrl=queue, MessageBody="job", DelaySeconds=3)
            chalice_clock.advance(seconds=2.5)
            assert "Messages" not in sqs.receive_message(QueueUrl=queue)
            chalice_clock.advance(seconds=0.5)
            assert "Messages" in sqs.receive_message(QueueUrl=queue, VisibilityTimeout=30)
            chalice_clock.advance(seconds=29.5)
            assert "Messages" not in sqs.receive_message(QueueUrl=queue)
            chalice_clock.advance(seconds=0.5)
            (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
            handle = message["ReceiptHandle"]
            sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
            assert "Messages" in sqs.receive_message(QueueUrl=queue)

        @pytest.mark.parametrize("stands", [True, False])
        def test_another_thread_and_a_message(poller, queue, stands, request):
            if stands:
                request.getfixturevalue("chalice_clock")
            boto3.client("s3").list_buckets()
            began = time.monotonic()
            boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="job")
            assert poller.ends()
            assert poller.found == ["job"]
            assert time.monotonic() - began < 10

        def test_a_message_of_a_topic(poller, queue):
            sns = boto3.client("sns")
            topic = sns.create_topic(Name="news")["TopicArn"]
            arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
            raw = {"RawMessageDelivery": "true"}
            endpoint = arn["Attributes"]["QueueArn"]
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes=raw)
            sns.publish(TopicArn=topic, Message="job")
            assert poller.ends()
            assert poller.found == ["job"]

        def test_one_that_nobody_ends(poller):
            pass

        def test_after_it():
            for poller in [each for each in threading.enumerate() if hasattr(each, "ends")]:
                assert poller.ends()
    """
    (stranger.root / "app.py").write_text(APP)
    stranger.test(conftest=CONFTEST, test_it=body).assert_outcomes(passed=21)


def test_waiters_wait_for_what_time_brings(stranger: Stranger) -> None:
    body = """
        import threading
        import time
        import boto3
        import pytest
        from botocore.exceptions import WaiterError

        def wait(attempts):
            waiter = boto3.client("s3").get_waiter("bucket_exists")
            waiter.wait(Bucket="uploads", WaiterConfig={"Delay": 30, "MaxAttempts": attempts})

        def test_the_tests_own_thread(chalice_clock, aws_calls):
            began = time.monotonic()
            with pytest.raises(WaiterError, match="Max attempts exceeded"):
                wait(20)
            assert time.monotonic() - began < 10
            assert aws_calls.count("s3:HeadBucket") == 20
            assert aws_calls.retries == aws_calls.backoff == 0

        def test_another_thread(chalice_clock, aws_calls, until_it_waits):
            thread = threading.Thread(target=wait, args=(3,), daemon=True)
            thread.start()
            until_it_waits(thread)
            boto3.client("s3").create_bucket(Bucket="uploads")
            thread.join(0.1)
            assert thread.is_alive()
            chalice_clock.advance(seconds=30)
            thread.join(10)
            assert not thread.is_alive()
            assert aws_calls.count("s3:HeadBucket") == 2

        def test_real_time(aws_calls):
            began = time.monotonic()
            with pytest.raises(WaiterError):
                waiter = boto3.client("s3").get_waiter("bucket_exists")
                waiter.wait(Bucket="uploads", WaiterConfig={"Delay": 0.2, "MaxAttempts": 2})
            assert time.monotonic() - began > 0.2
    """
    stranger.test(conftest=CONFTEST, test_it=body).assert_outcomes(passed=3)
