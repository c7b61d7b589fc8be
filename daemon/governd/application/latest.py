"""The newest of a value that changes, to any number of followers."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """Holds a value and nothing of those before it.

    A follower gets the value that counts when it looks: who is slow misses those between.
    """

    def __init__(self, value: Value) -> None:
        """Begins with ``value``."""
        self.value = value
        self._changed = asyncio.Event()
        self._closed = False

    def set(self, value: Value) -> bool:
        """Replaces the value, unless the last was set; says whether it is another one now."""
        if self._closed or value == self.value:
            return False
        self.value = value
        self._wake()
        return True

    def close(self, value: Value) -> None:
        """Sets the last value, with which every follower ends."""
        self.value = value
        self._closed = True
        self._wake()

    async def follow(self) -> AsyncGenerator[Value, None]:
        """The value now and whenever it is another one, to the last."""
        while True:
            changed, last = self._changed, self._closed
            yield self.value
            if last:
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
