"""Figures, each measured beside its rival in one run: machines differ, ratios less so."""
