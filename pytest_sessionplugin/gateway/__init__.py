"""API Gateway for any app: a pure core, a runtime around it, transports for clients, and a server on sockets."""
