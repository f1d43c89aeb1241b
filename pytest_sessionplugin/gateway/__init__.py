"""What API Gateway does, for any app: a pure core, a shell in process, a shell on sockets, and what a test holds.

Nothing in here imports the rest of the plugin. The pure half (values, authorizers, connection, core, handshake,
management, replies, rest, results, shapes, stalled) imports nothing but the standard library, and of that nothing that
acts: no sockets, threads, clock or randomness. `h11` and `websockets` are imported only by what runs on sockets.
"""
