"""MiniStack: its process and the workarounds for its faults."""
