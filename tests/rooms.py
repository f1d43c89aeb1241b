"""Makes a stranger's project the one in projects/rooms, which loses updates, keeps rows of sockets and runs batches."""

from __future__ import annotations

from tests.strangers import Stranger, copy_project


def move_in(stranger: Stranger) -> None:
    copy_project("rooms", stranger.root)
