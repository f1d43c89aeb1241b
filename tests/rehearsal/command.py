"""Runs `python -m deployment` unchanged, in a process that reaches MiniStack's APIs, and looks at stacks often."""

from __future__ import annotations

import sys

from deployment.__main__ import main
from tests.emulators.ministack import workarounds

SECONDS = 0.1  # between two looks at a stack

if __name__ == "__main__":
    workarounds.in_deploy()
    sys.exit(main(seconds=SECONDS))
