"""Use cases: the async half, which calls the domain and awaits ports."""
