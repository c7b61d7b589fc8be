"""Help as it was written: click refills every paragraph that it is not told to leave."""

import inspect
import re


def verbatim(text: str | None) -> str | None:
    """Marks the paragraphs that have indented lines, so that click leaves them alone.

    Args:
        text: A verb's help; ``None`` where it has none.
    """
    if text is None:
        return None
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(f"\b\n{one}" if "\n  " in one else one for one in paragraphs)
