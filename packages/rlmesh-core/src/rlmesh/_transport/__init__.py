"""Bytes in, bytes out: addresses, security, and the carriers beneath sessions."""
