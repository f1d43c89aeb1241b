"""Runs `python -m deployment` unchanged, in a process with the workarounds for MiniStack."""

from __future__ import annotations

import sys

from deployment.__main__ import main
from tests.emulators.ministack import workarounds

if __name__ == "__main__":
    workarounds.in_deploy()
    sys.exit(main())
