"""Tokens of pages: the place of a list after which the next page begins.

A place, not a number, so that a page misses nothing and repeats nothing that was there all
the time, whatever comes and goes meanwhile.
"""

import base64

from governd.application.list_tools import Place
from governd.errors import RequestError


def write(place: Place) -> str:
    """The token of the page after a place."""
    text = "\n".join(map(str, place))  # neither servers nor definitions have that in their names
    return base64.urlsafe_b64encode(text.encode()).decode()


def read(token: str) -> Place:
    """The place after which a page begins.

    Raises:
        RequestError: The token is not as ``write`` writes it.
    """
    try:
        server, kind, name = base64.urlsafe_b64decode(token).decode().split("\n")
        place = server, int(kind), name
    except ValueError:
        place = None
    if place is None or write(place) != token:
        message = "page_token: expected the next_page_token of the page before"
        raise RequestError(message, field="page_token")
    return place
