"""Minutes of everything that clients do to a server, and what is left of it afterwards. `python -m bench.soak`."""
