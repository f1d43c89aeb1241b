"""Coverage of contracts: which answers and messages of each file a run has seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PARTS = {"openapi": "answers", "asyncapi": "messages"}


@dataclass
class FileCoverage:
    """One file of a contract. `expected` has each part, and whoever makes it in place of the app."""

    kind: str  # of PARTS
    expected: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def missing(self) -> list[str]:
        return [part for part, by in self.expected.items() if not by and part not in self.seen]

    @property
    def excused(self) -> dict[str, str]:
        """Parts that were not seen, and are not the app's but somebody else's, by that name."""
        return {part: by for part, by in self.expected.items() if by and part not in self.seen}


class Coverage:
    """Of all contracts of a run, by file. Processes of a run add theirs together."""

    def __init__(self) -> None:
        self._files: dict[str, FileCoverage] = {}

    def expect(self, file: str, kind: str, parts: Iterable[tuple[str, str]]) -> None:
        if file not in self._files:
            self._files[file] = FileCoverage(kind, dict(parts))

    def see(self, file: str, part: str) -> None:
        self._files[file].seen.add(part)

    @property
    def files(self) -> Mapping[str, FileCoverage]:
        return self._files

    @property
    def is_complete(self) -> bool:
        """Whether a contract was used, and everything in each was seen that can be."""
        return bool(self._files) and not any(each.missing for each in self._files.values())

    def lines(self) -> Iterator[str]:
        """A report to be read."""
        if not self._files:
            yield "no test was held to a contract: name one as `openapi` or `asyncapi` in [tool.sessionplugin]"
        for name, file in sorted(self._files.items()):
            there = len(file.expected) - len(file.excused)
            yield f"{name}: {there - len(file.missing)} of {there} {PARTS[file.kind]} seen"
            yield from (f"    not seen: {part}" for part in file.missing)
            for by in sorted(set(file.excused.values())):
                yield f"    not counted, by {by}: {sum(each == by for each in file.excused.values())}"

    # --- from one process to another

    def dumped(self) -> dict[str, Any]:
        """Plain values, for a message between processes."""
        return {name: [file.kind, file.expected, sorted(file.seen)] for name, file in self._files.items()}

    def add(self, dumped: Mapping[str, Any]) -> None:
        for name, (kind, expected, seen) in dumped.items():
            self.expect(name, kind, expected.items())
            self._files[name].seen.update(seen)
