"""Processes that this one starts, and their way to its AWS account."""
