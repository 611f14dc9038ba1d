"""Requests and replies over a carrier: sessions, exactly-once execution, liveness."""
