"""Thin servicers: convert, call one use case, convert back."""
