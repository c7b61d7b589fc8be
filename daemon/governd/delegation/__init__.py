"""Delegation: who acts for whom, said so that a receiver verifies it offline."""
