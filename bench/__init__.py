"""Benchmarks. Each compares ours with a rival in the same run, because ratios carry over between machines."""
