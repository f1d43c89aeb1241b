"""Keys as text, wherever they are kept: how several stand in one value, and which are weak. Never repeats one."""

from __future__ import annotations

import json
import re
from typing import Final

MOST: Final = 3  # a rotation needs two; a file of lines that was pasted is no list of keys
LOCAL_KEY_PREFIX: Final = "local-"

_BLOCK: Final = re.compile(r"-----BEGIN ([^-\n]+)-----.*?-----END \1-----", re.DOTALL)


def secrets_in(text: str) -> tuple[str, ...]:
    """One a line; blanks around a key are not part of it."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def pems_in(text: str) -> tuple[str, ...]:
    """The PEM blocks (RFC 7468), which follow one another."""
    return tuple(found[0] for found in _BLOCK.finditer(text))


def weaknesses_of_secrets(text: str, algorithms: tuple[str, ...], where: str, *, of_a_checkout: bool) -> list[str]:
    """A sentence for what is wrong with the secrets in `text`; `where` is its subject.

    `of_a_checkout` says whether the key of a checkout will do here.
    """
    needed = max((int(name[2:]) // 8 for name in algorithms), default=32)
    keys = secrets_in(text)
    if "-----BEGIN" in text:
        return [f"{where} holds a PEM; a public key is no secret. Use JWT_PUBLIC_KEY."]
    if _is_json(text):
        return [f"{where} holds JSON; keep the key itself there, as plain text."]
    if not 0 < len(keys) <= MOST:
        return [f"{where} holds {len(keys)} keys, one a line; it needs 1 to {MOST}."]
    if any(len(key.encode()) < needed for key in keys):
        return [f"{where} holds a key that is shorter than its hash: it needs at least {needed} bytes (RFC 7518, 3.2)."]
    if not of_a_checkout and any(key.startswith(LOCAL_KEY_PREFIX) for key in keys):
        return [f"{where} holds the key of somebody's checkout; make one for this stage."]
    return []


def weaknesses_of_pems(text: str, where: str) -> list[str]:
    """A sentence for what is wrong with the PEMs in `text`, unless only a parser can tell."""
    if "PRIVATE KEY" in text:
        return [f"{where} holds a private key; the service needs, and should know, only the public one."]
    if len(pems_in(text)) > MOST:
        return [f"{where} holds {len(pems_in(text))} keys; at most {MOST} are taken."]
    return []


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False
