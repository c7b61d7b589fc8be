"""Adapters: one foreign system a file, each behind a port of the domain."""
