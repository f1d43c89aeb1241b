"""What an exception says in a log: never what somebody may have sent."""

from __future__ import annotations

import jwt
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from chalicelib.errors import Unavailable
from chalicelib.tracebacks import written

TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException as exc:
            raise error from exc
    except BaseException as caught:  # noqa: BLE001  whatever it was given
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
    error.__notes__ = [TOKEN]  # type: ignore[attr-defined]  # as add_note does from 3.11 on
    assert TOKEN not in written(error)


def test_where_it_was_raised_is_shown_with_its_source() -> None:
    lines = written(raised(ZeroDivisionError(TOKEN))).splitlines()
    assert lines[0] == "Traceback, without what somebody may have sent:"
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
    assert lines[0] == "Traceback, without what somebody may have sent:"
    assert "  … " in lines[101]
    assert lines[-1] == "ValueError"
    hidden = from_aws("AccessDeniedException", "x" * 300_000)
    assert len(written(raised(hidden))) < 100_000


def test_a_name_that_is_missing_is_named() -> None:
    assert written(raised(ModuleNotFoundError("No module named 'jwt'"))).endswith("No module named 'jwt'")
