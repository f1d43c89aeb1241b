"""The long description of the wheel: the first page of docs/, without links, which no package index could follow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

FIRST_PAGE = Path("docs", "index.md")
REST = "The documentation is in the folder docs of the source distribution.\n"
_RELATIVE = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]+\)")


class DescriptionHook(MetadataHookInterface):
    """Sets `readme`, which pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        page = (Path(self.root) / FIRST_PAGE).read_text(encoding="utf-8")
        lead = _RELATIVE.sub(r"\1", page.partition("\n## ")[0])
        metadata["readme"] = {"content-type": "text/markdown", "text": f"{lead}\n{REST}"}
