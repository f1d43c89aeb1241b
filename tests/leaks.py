"""Finds credentials in logs and output of a test: JWTs, tickets and keys of a checkout, by their form."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

FORMS: Final = re.compile(
    r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"  # a JWT: header and claims begin with `{"` in base64
    r"|\blocal-[\w-]{40,}"  # chalicelib.keys.local_key
    r"|\b(?=[2-7]*[A-Z])[A-Z2-7]{26}\b"  # chalicelib.credentials.TICKET_TEXT; digits alone may be a session's id
)


class Leaks(logging.Handler):
    """Collects the credentials that it finds in log records, their fields and exceptions included.

    It looks for the texts in `also` as well, which may grow.
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
        """Listens to the root logger, and to the service's own, which does not propagate to it under Chalice."""
        loggers = [logging.getLogger(), logging.getLogger("sessions")]
        for logger in loggers:
            logger.addHandler(self)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(self)
