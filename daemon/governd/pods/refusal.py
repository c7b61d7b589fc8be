"""How a request is refused: with the field's name, fit for an event, a log line and a header.

Names of fields may hold what the author of a pod wrote.
"""

import re
from typing import NoReturn

from governd.errors import RequestError

_SHOWN_CHARS = 128


def shown(text: str) -> str:
    """Text of any content and length as at most 128 characters of printable ASCII."""
    return re.sub(r"[^ -~]", "?", text[:_SHOWN_CHARS])


def refuse(field: str, problem: str) -> NoReturn:
    """Refuses a request.

    Raises:
        RequestError: Always; ``field``, as ``shown``, is what is wrong with it.
    """
    name = shown(field)
    message = f"{name}: {problem}"
    raise RequestError(message, field=name)
