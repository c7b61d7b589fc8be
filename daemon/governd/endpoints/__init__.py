"""The doors: sockets, listeners, limits, and what every call passes through."""
