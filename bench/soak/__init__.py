"""Minutes of every kind of client against one server, and a search for leaks. `python -m bench.soak`."""
