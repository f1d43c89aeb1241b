"""Finds credentials in what a test logged and printed: JWTs and keys of a checkout by their form, whoever made them."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

FORMS: Final = re.compile(
    r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"  # a JWT: header and claims begin with `{"` in base64
    r"|\blocal-[\w-]{40,}"  # chalicelib.keys.local_key
)


class Leaks(logging.Handler):
    """What loggers were given while it was there, fields and exceptions included, and which credentials were in it.

    `also` is looked for as well; it may grow.
    """

    def __init__(self, also: Collection[str] = ()) -> None:
        super().__init__(logging.NOTSET)
        self.found: list[str] = []
        self._also = also

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.look(f"the log of {record.name}", f"{record.getMessage()} {vars(record)} {error!r}")

    def look(self, where: str, text: str) -> None:
        found = FORMS.search(text)
        if found is not None:
            self.found.append(f"{where} has a credential: {found[0][:12]}…")
        self.found += [f"{where} has {secret[:12]}…" for secret in tuple(self._also) if secret in text]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """To all that reaches the root logger, and to the service's own, which Chalice keeps from it."""
        loggers = [logging.getLogger(), logging.getLogger("sessions")]
        for logger in loggers:
            logger.addHandler(self)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(self)
