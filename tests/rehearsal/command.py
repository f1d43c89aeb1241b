"""`python -m deployment` as it is, in a process in which MiniStack's faults are worked around. Adds no option."""

from __future__ import annotations

import sys

from deployment.__main__ import main
from tests.emulators.ministack import workarounds

if __name__ == "__main__":
    workarounds.in_deploy()
    sys.exit(main())
