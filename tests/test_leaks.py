"""The guard over all tests of the service finds leaked credentials, and nothing else."""

from __future__ import annotations

import logging

import pytest

from tests.leaks import Leaks

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize("secret", [JWT, JWT.rpartition(".")[0] + ".", "local-" + "k" * 64, "2" * 25 + "A", "a title"])
def test_it_finds_a_secret_wherever_a_record_has_it(secret: str) -> None:
    logger = logging.getLogger("test_leaks")
    logger.propagate = False
    leaks = Leaks(also=["a title"])
    logger.addHandler(leaks)
    try:
        logger.warning("plain")
        assert leaks.found == []
        logger.warning(f"in the message {secret}")
        logger.warning("in an argument %s", {"a": secret})
        logger.warning("in a field", extra={"title": secret})
        try:
            raise ValueError(secret)
        except ValueError:
            logger.exception("in an exception")
        assert len(leaks.found) == 4
    finally:
        logger.removeHandler(leaks)
    assert all(secret not in found for found in leaks.found if len(secret) > 12)


@pytest.mark.parametrize("text", ["eyJ", "eyJhbGciOi", "local-time", "a.b.c", "", "a" * 26, "2" * 26, "A" * 27])
def test_it_takes_nothing_else_for_one(text: str) -> None:
    leaks = Leaks()
    leaks.look("stdout", text)
    assert leaks.found == []
