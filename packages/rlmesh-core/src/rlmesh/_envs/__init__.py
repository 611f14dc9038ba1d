"""Environments: the server, its client, and the doors through which the runtime uses either."""
