"""The names that a test may import from the package."""

from __future__ import annotations

import pytest

import pytest_sessionplugin


@pytest.mark.parametrize("name", pytest_sessionplugin.__all__)
def test_every_public_name_is_there_on_first_use(name: str) -> None:
    assert getattr(pytest_sessionplugin, name).__name__ == name


def test_a_traceback_shows_an_exception_by_the_name_that_a_test_may_import() -> None:
    public = [getattr(pytest_sessionplugin, name) for name in pytest_sessionplugin.__all__]
    raised = [each for each in public if isinstance(each, type) and issubclass(each, Exception)]
    assert len(raised) >= 15
    assert {f"{each.__module__}.{each.__qualname__}" for each in raised} == {
        f"pytest_sessionplugin.{each.__name__}" for each in raised
    }


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        pytest_sessionplugin.nothing  # type: ignore[attr-defined]  # noqa: B018
