"""What API Gateway does, for any app: a pure core, a shell in process, a shell on sockets, and what a test holds.

Nothing in here imports the rest of the plugin, and the pure half (values, core, rest, management, shapes) imports
nothing but the standard library.
"""
