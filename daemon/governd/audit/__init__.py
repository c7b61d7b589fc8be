"""Audit: what is kept of every action."""
