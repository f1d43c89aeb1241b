"""A setting that names keys kept in AWS: `ssm:NAME`, `secretsmanager:ARN-or-name`. Fetches nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

STORES: Final = ("ssm", "secretsmanager")
_MEANT: Final = re.compile(r"(ssm|secrets?[-_ ]?manager|arn|\{\{ *resolve) *:", re.IGNORECASE)


@dataclass(frozen=True)
class Reference:
    """What `variable` names: a parameter of SSM's Parameter Store, or a secret of Secrets Manager."""

    variable: str
    store: str  # one of STORES
    name: str  # or its ARN

    def __str__(self) -> str:
        return f"{self.store}:{self.name}"

    def region(self, own: str) -> str:
        """Where it is asked for: where its ARN says, or in the service's own region."""
        return self.name.split(":")[3] if self.name.startswith("arn:") and self.name.count(":") >= 5 else own


def reference(variable: str, value: str) -> Reference | None:
    """The reference that `value` is; None if it is none."""
    store, colon, name = value.strip().partition(":")
    if colon and store in STORES and name and not name.isspace():
        return Reference(variable, store, name.strip())
    return None


def is_meant_as_one(value: str) -> bool:
    """Whether it is a reference, or was to be one: as a key it could be guessed."""
    return _MEANT.match(value.strip()) is not None
