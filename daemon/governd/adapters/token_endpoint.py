"""Token endpoints over HTTPS, where they may be (``guarded_http``)."""

import math
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from governd.adapters.guarded_http import GuardedClient, Reach, Wanted
from governd.application.issuer_ports import Response
from governd.tokens import form as forms
from governd.tokens import metadata, reply
from governd.tokens.form import Form

_JSON = "application/json"
_MOST_SECONDS = 86_400.0
_MAX_CHARS = 64


class HttpsTokenEndpoint:
    """Sends requests; implements ``governd.application.issuer_ports.TokenEndpoint``."""

    def __init__(self, reach: Reach, *, wall_clock: Callable[[], float]) -> None:
        """Opens nothing.

        Args:
            reach: To where.
            wall_clock: Seconds since 1970.
        """
        self._client = GuardedClient(reach)
        self._wall_clock = wall_clock

    async def post(self, uri: str, form: Form, *, seconds: float) -> Response:
        """What a token endpoint answers to a form.

        Raises:
            NotAskedError: It may not be asked there.
            NoAnswerError: The answer is larger than may be, or encoded.
            IssuerAwayError: There is none, or not in time.
        """
        wanted = Wanted(uri, _JSON, reply.MAX_BYTES, seconds, form.encode(), forms.CONTENT_TYPE)
        found = await self._client.send(wanted)
        return Response(
            found.status,
            found.body,
            found.headers.get("content-type", ""),
            retry_after(found.headers.get("retry-after", ""), self._wall_clock()),
        )

    async def get(self, uri: str, *, seconds: float) -> bytes:
        """The document at an address.

        Raises:
            NotAskedError: It may not be asked there.
            NoAnswerError: The status is not 200, or the document does not fit.
            IssuerAwayError: There is no answer, or not in time.
        """
        return (await self._client.send(Wanted(uri, _JSON, metadata.MAX_BYTES, seconds))).body


def retry_after(text: str, now: float) -> float | None:
    """Seconds after which to come back (RFC 9110, section 10.2.3), at most a day.

    Args:
        text: The header, seconds or a date.
        now: Seconds since 1970.

    Returns:
        ``None`` where it is neither.
    """
    if len(text) > _MAX_CHARS or not text.isascii():
        return None
    if text.isdigit():
        return min(float(text), _MOST_SECONDS)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return min(max(seconds, 0.0), _MOST_SECONDS) if math.isfinite(seconds) else None
