"""A setting that names keys kept in AWS: `ssm:NAME`, `secretsmanager:ARN-or-name`. Fetches nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

STORES: Final = ("ssm", "secretsmanager")
_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@:-]+")  # of a parameter, with a version or label, a secret, or an ARN
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
    """The reference that `value` is; None if it is none: a name with a second line could be one and a key below it."""
    store, _, name = value.strip().partition(":")
    if store in STORES and _NAME.fullmatch(name.strip()):
        return Reference(variable, store, name.strip())
    return None


def is_meant_as_one(value: str) -> bool:
    """Whether a line of it is a reference, or was to be one: as a key it could be guessed."""
    return any(_MEANT.match(line.strip()) for line in value.splitlines())
