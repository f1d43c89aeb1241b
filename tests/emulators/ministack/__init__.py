"""MiniStack: how it is begun, and what it gets wrong. Knows no test and judges nothing."""
