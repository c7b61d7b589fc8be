"""When something that failed may be tried again. Pure."""

import math
from typing import Final

import grpc

from governd_client.errors import GoverndError

FIRST_SECONDS: Final = 0.1
MAX_SECONDS: Final = 30.0


class Backoff:
    """For one call of the API: each failure in a row doubles the pause.

    A governd that does not know the call is not asked for it again, unless it has to be.
    """

    def __init__(
        self,
        first: float = FIRST_SECONDS,
        most: float = MAX_SECONDS,
        *,
        optional: bool = True,
    ) -> None:
        """Ready at once.

        Args:
            first: Seconds to wait after one failure.
            most: Seconds to wait at most, unless governd itself says longer.
            optional: Whether to give up where governd does not know the call.
        """
        self._optional = optional
        self._first = first
        self._most = most
        self._pause = first
        self._ready_at = -math.inf

    @property
    def given_up(self) -> bool:
        """Whether it is never to be tried again."""
        return self._ready_at == math.inf

    def ready(self, now: float) -> bool:
        """Whether it may be tried."""
        return now >= self._ready_at

    def wait(self, now: float) -> float:
        """Seconds until it may be tried."""
        return max(0.0, self._ready_at - now)

    def worked(self) -> None:
        """It works: the next failure is a first one."""
        self._pause = self._first

    def failed(self, error: GoverndError, now: float) -> None:
        """It failed."""
        if self._optional and error.code is grpc.StatusCode.UNIMPLEMENTED:
            self.give_up()
            return
        self._ready_at = max(self._ready_at, now + max(self._pause, error.retry_after or 0.0))
        self._pause = min(self._pause * 2, self._most)

    def give_up(self) -> None:
        """It is not to be tried again."""
        self._ready_at = math.inf
