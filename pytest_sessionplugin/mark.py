"""What a test asks for with `@pytest.mark.chalice`. Knows no pytest, and opens nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_sessionplugin import strict

ISOLATIONS = ("app", "function")
"""What has an app of its own: all functions together, or each of them."""


@dataclass(frozen=True)
class ChaliceMark:
    """What a test asks for with `@pytest.mark.chalice`."""

    fresh: bool = False  # an app of its own, imported for this test
    env: Mapping[str, str] = field(default_factory=dict)  # over the app's environment; needs an app of its own
    allow: frozenset[str] = frozenset()  # of strict.SWITCHES
    isolation: str | None = None  # one of ISOLATIONS; None: as around it, or else the first

    @classmethod
    def of(
        cls,
        *,
        fresh: bool = False,
        env: Mapping[str, str] | None = None,
        allow: str | Iterable[str] = (),
        isolation: str | None = None,
    ) -> ChaliceMark:
        if not isinstance(allow, Iterable):
            raise TypeError(f"allow: it must be a name, or a list of names, not {allow!r}")
        if env is not None and not (isinstance(env, Mapping) and are_texts(env)):
            raise TypeError(f"env: it must be a mapping of texts to texts, not {env!r}")
        switches = frozenset([allow] if isinstance(allow, str) else allow)
        if unknown := switches - set(strict.SWITCHES):
            raise ValueError(f"allow: there is no {', '.join(sorted(unknown))}; there are {', '.join(strict.SWITCHES)}")
        if isolation not in (None, *ISOLATIONS):
            raise ValueError(f"isolation: there is no {isolation!r}; there are {', '.join(ISOLATIONS)}")
        return cls(fresh or bool(env), dict(env or {}), switches, isolation)

    def over(self, outer: ChaliceMark) -> ChaliceMark:
        """Those of a test over those of its class or module."""
        env = {**outer.env, **self.env}
        return ChaliceMark(self.fresh or outer.fresh, env, self.allow | outer.allow, self.isolation or outer.isolation)

    @property
    def each_its_own(self) -> bool:
        """Whether each function has an app of its own."""
        return self.isolation == "function"


def are_texts(variables: Mapping[Any, Any]) -> bool:
    return all(isinstance(text, str) for pair in variables.items() for text in pair)
