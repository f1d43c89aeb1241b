"""A value that cannot be formatted: a token, a key. What shows it, logs included, shows a mask. Knows no user of it."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

MASK: Final = "[secret]"


class Secret:
    """Text that only `reveal` gives. `str`, `repr`, `%s`, f-strings and `json.dumps(…, default=str)` give the mask.

    It is no `str`, so that its mask is never taken for a key or a token where one is asked for: that is a TypeError,
    and so are `json.dumps` without a default, pickling and joining. False if the text is empty.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself: for whoever verifies or sends it, in that very expression."""
        return self.__text

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        """In a time that says nothing of where they differ; no text is equal to it."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self.__text.encode(errors="surrogatepass"), other.__text.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        return hash(self.__text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled: it would be text to whoever reads the pickle.")
