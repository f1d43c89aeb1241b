"""Log lines: their context and form, which no value breaks, and redacted tracebacks."""

from __future__ import annotations

import io
import json
import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from chalicelib import logs
from chalicelib.credentials import MASK, Secret
from chalicelib.delivery import Answer, Delivery
from chalicelib.errors import Unavailable
from chalicelib.logs import Lines, Log, Readable, about, as_json, learn, written
from chalicelib.memory import MemoryStore
from tests.service.fakes import NOON, Clock, Management, connection

FORMAT = "%(name)s - %(levelname)s - %(message)s"


class Listener:
    """A logger of its own, and its output."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.logger = logging.getLogger("sessions.test_logs")
        self.log = Log(self.logger.name)
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(formatter)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def listening(formatter: logging.Formatter) -> Iterator[Listener]:
    listener = Listener(formatter)
    listener.logger.addHandler(listener.handler)
    listener.logger.propagate = False
    listener.logger.setLevel("DEBUG")
    try:
        yield listener
    finally:
        listener.logger.removeHandler(listener.handler)


@pytest.fixture
def as_objects() -> Iterator[Listener]:
    yield from listening(as_json())


@pytest.fixture
def as_text() -> Iterator[Listener]:
    yield from listening(Readable(FORMAT))


# --- context


def test_a_line_has_what_is_known_of_its_event_and_none_of_the_next_one(as_objects: Listener) -> None:
    with about(request_id="1", stage="dev"):
        learn(session_id="s")
        as_objects.log.info("inside", code="x")
    with about(request_id="2"):
        as_objects.log.info("after")
    as_objects.log.info("outside")
    inside, after, outside = as_objects.lines
    assert {name: inside[name] for name in ("request_id", "stage", "session_id", "code", "message", "level")} == {
        "request_id": "1",
        "stage": "dev",
        "session_id": "s",
        "code": "x",
        "message": "inside",
        "level": "INFO",
    }
    assert set(after) == {"level", "message", "timestamp", "request_id"}
    assert set(outside) == {"level", "message", "timestamp"}


def test_an_inner_block_adds_to_the_outer_one_until_it_ends(as_objects: Listener) -> None:
    with about(request_id="1"):
        with about(session_id="s"):
            learn(subject="hashed")
            as_objects.log.info("inner")
        as_objects.log.info("outer")
    inner, outer = as_objects.lines
    assert (inner["request_id"], inner["session_id"], inner["subject"]) == ("1", "s", "hashed")
    assert set(outer) & {"session_id", "subject"} == set()


def test_what_is_learnt_outside_of_any_event_is_forgotten(as_objects: Listener) -> None:
    learn(session_id="s")
    as_objects.log.info("outside")
    assert "session_id" not in as_objects.lines[0]


def test_events_that_are_handled_at_once_have_each_their_own(as_objects: Listener) -> None:
    meeting = threading.Barrier(8, timeout=5)

    def handle(number: int) -> None:
        with about(request_id=str(number)):
            meeting.wait()
            learn(session_id=str(number))
            meeting.wait()
            as_objects.log.info("said", number=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(handle, range(16)))
    said = [(line["request_id"], line["session_id"], str(line["number"])) for line in as_objects.lines]
    assert sorted(said, key=lambda ids: int(ids[0])) == [(str(number),) * 3 for number in range(16)]


def test_a_delivery_takes_the_context_of_its_event_into_its_threads(as_objects: Listener) -> None:
    store = MemoryStore()
    for number in range(4):
        store.connect(connection("s", f"{number}="))

    def post(connection_id: str) -> Answer:
        as_objects.log.info("posted", to=connection_id, thread_name=threading.current_thread().name)
        return Answer.DONE

    delivery = Delivery(store, Management(post), clock=Clock(), random=lambda: 0.5)
    for request_id in ("1", "2"):
        with about(request_id=request_id):
            delivery.broadcast("s", {"type": "message"}, began=NOON)
    assert [line["request_id"] for line in as_objects.lines] == ["1"] * 4 + ["2"] * 4
    assert threading.current_thread().name not in {line["thread_name"] for line in as_objects.lines}


# --- form


def test_a_value_stays_in_its_field(as_objects: Listener, as_text: Listener) -> None:
    hostile = 'a\r\nb\x1b[31m\x9b31m\u2028c", "level": "x'
    with about(connection_id=hostile):
        as_text.log.info("said", part=hostile)
    (line,) = as_objects.text.splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["connection_id"] == json.loads(line)["part"] == hostile
    assert json.loads(line)["level"] == "INFO"
    (line,) = as_text.text.splitlines()
    assert line.isprintable()


def test_a_message_that_looks_like_json_is_text(as_objects: Listener) -> None:
    as_objects.log.info('{"a": 1}')
    assert as_objects.lines[0]["message"] == '{"a": 1}'


def test_a_secret_is_a_mask_in_both_forms(as_objects: Listener, as_text: Listener) -> None:
    as_text.log.info("said", token=Secret("hidden"), tokens=[Secret("hidden")])
    assert as_objects.lines[0]["token"] == MASK
    assert "hidden" not in as_objects.text + as_text.text


def test_an_exception_is_written_without_its_text_whoever_logs_it(as_objects: Listener, as_text: Listener) -> None:
    def fail(token: str) -> None:
        raise ValueError(token)

    hidden = uuid.uuid4().hex  # made at run time, since a traceback shows lines of source
    try:
        fail(hidden)
    except ValueError:
        as_text.log.exception("ours")
        as_text.logger.exception("of a library that logs by itself")
    for line in as_objects.lines:
        assert (line["level"], line["exception_name"]) == ("ERROR", "ValueError")
        assert line["exception"].splitlines()[-2].endswith("in fail: raise ValueError(token)")
    assert hidden not in as_objects.text + as_text.text
    assert as_text.text.count("in fail: raise ValueError(token)") == 2


def test_people_get_text_with_the_fields_behind_it(as_text: Listener) -> None:
    with about(operation="connect", session_id=None):
        as_text.log.warning("a delivery missed some", deliveries={"failed": 1})
    with about(operation="connect", request_id="1", correlation_id="1"):
        as_text.log.info("connect refused as not_owner", outcome="refused", code="not_owner")
    assert as_text.text.splitlines() == [
        "sessions.test_logs - WARNING - a delivery missed some  deliveries=\"{'failed': 1}\"",
        "sessions.test_logs - INFO - connect refused as not_owner  request_id=1",
    ]


@pytest.mark.parametrize(("function", "starts"), [("api_handler", "{"), (None, "sessions - INFO")])
def test_lambda_gets_json_and_anybody_else_text(
    monkeypatch: pytest.MonkeyPatch, function: str | None, starts: str
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    if function:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", function)
    record = logging.LogRecord("sessions", logging.INFO, "", 0, "said", None, None)
    assert Lines(FORMAT).format(record).startswith(starts)


def test_the_level_is_that_of_the_settings() -> None:
    assert [logs.level_of(given) for given in ({}, {"LOG_LEVEL": "debug"}, {"LOG_LEVEL": "loud"})] == [
        "INFO",
        "DEBUG",
        "INFO",
    ]


def test_no_library_says_what_it_sends_whatever_level_lambda_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's own setting sets the level of the root logger."""
    libraries = [logging.getLogger("botocore"), logging.getLogger("urllib3")]
    for logger, level in ((logging.getLogger(), logging.DEBUG), *((each, logging.NOTSET) for each in libraries)):
        monkeypatch.setattr(logger, "level", level)
    beneath = [logging.getLogger("botocore.parsers"), logging.getLogger("urllib3.connectionpool")]
    try:
        for environment, said in (({}, True), ({"AWS_LAMBDA_FUNCTION_NAME": "f"}, False)):
            logs.set_levels({**environment, "LOG_LEVEL": "INFO"})
            assert [logger.isEnabledFor(logging.DEBUG) for logger in beneath] == [said, said]
            assert all(logger.isEnabledFor(logging.WARNING) for logger in beneath)
    finally:
        for logger in (logging.getLogger("sessions"), *libraries):
            logger.setLevel(logging.NOTSET)


def test_what_is_below_the_level_is_not_even_made(as_objects: Listener) -> None:
    as_objects.logger.setLevel("WARNING")
    as_objects.log.info("unheard")
    assert as_objects.text == ""


def test_a_subject_is_told_from_another_without_being_named() -> None:
    hashed = {subject: logs.subject_hash(subject) for subject in ("alice", "bob", "\ud800")}
    assert len(set(hashed.values())) == 3
    assert all(len(text) == 16 and subject not in text for subject, text in hashed.items())
    assert hashed["alice"] == "2bd806c97f0e00af", "the output of sha256sum, so that support can look a subject up"


def test_times_are_utc(as_objects: Listener) -> None:
    as_objects.log.info("said")
    assert as_objects.lines[0]["timestamp"].endswith("+00:00")


TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException as exc:
            raise error from exc
    except BaseException as caught:  # noqa: BLE001  any error that it was given
        return caught


def from_aws(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "UpdateItem")


@pytest.mark.parametrize(
    "error",
    [
        jwt.InvalidTokenError(f"bad {TOKEN}"),
        ValueError(TOKEN),
        KeyError(TOKEN),
        TypeError(f"unsupported {TOKEN}"),
        AttributeError(TOKEN),
        UnicodeEncodeError("ascii", f"é{TOKEN}", 0, 1, "no"),
        ParamValidationError(report=TOKEN),
        from_aws("ValidationException", TOKEN),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_text_of_an_exception_is_left_out(error: Exception) -> None:
    for text in (written(raised(error)), written(raised(RuntimeError(), cause=error))):
        assert TOKEN not in text
        assert type(error).__name__ in text


def test_notes_are_left_out() -> None:
    error = raised(ValueError())
    error.__notes__ = [TOKEN]  # as add_note does
    assert TOKEN not in written(error)


def test_where_it_was_raised_is_shown_with_its_source() -> None:
    lines = written(raised(ZeroDivisionError(TOKEN))).splitlines()
    assert lines[0] == "Redacted traceback:"
    assert __file__ in lines[1]
    assert lines[1].endswith("in raised: raise error")
    assert lines[-1] == "ZeroDivisionError"


def test_causes_come_first() -> None:
    text = written(raised(Unavailable("A table"), cause=from_aws("ThrottlingException", TOKEN)))
    cause, _, error = text.partition("which was the cause of")
    assert cause.rstrip().endswith("botocore.exceptions.ClientError: UpdateItem ThrottlingException")
    assert error.rstrip().endswith("chalicelib.errors.Unavailable: A table did not answer in time; try again.")


def test_a_refusal_of_aws_says_who_may_not_do_what() -> None:
    text = written(raised(from_aws("AccessDeniedException", "User: arn:x is not authorized to perform: dynamodb:y")))
    assert text.endswith("UpdateItem AccessDeniedException: User: arn:x is not authorized to perform: dynamodb:y")


def test_causes_that_go_round_end() -> None:
    one, other = raised(ValueError()), raised(KeyError())
    one.__cause__, other.__cause__ = other, one
    assert written(one).count("ValueError") == 1


def test_the_longest_traceback_fits_into_a_line_of_the_log() -> None:
    def recurse(depth: int) -> None:
        try:
            recurse(depth + 1)
        except RecursionError as exc:
            if depth % 10:
                raise
            raise ValueError from exc

    with pytest.raises(ValueError, match=r"^$") as caught:
        recurse(0)
    lines = written(caught.value).splitlines()
    assert len(lines) < 210
    assert lines[0] == "Redacted traceback:"
    assert "  … " in lines[101]
    assert lines[-1] == "ValueError"
    hidden = from_aws("AccessDeniedException", "x" * 300_000)
    assert len(written(raised(hidden))) < 100_000


def test_a_name_that_is_missing_is_named() -> None:
    assert written(raised(ModuleNotFoundError("No module named 'jwt'"))).endswith("No module named 'jwt'")
