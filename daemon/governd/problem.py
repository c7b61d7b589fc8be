"""What is wrong with a file, and where."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a policy source or a configuration file.

    Attributes:
        file: Path within the policy source, or of the configuration file.
        line: From 1; 0 where no line can be named.
        message: What is wrong and what was expected.
    """

    file: str
    line: int
    message: str

    def __post_init__(self) -> None:
        """Writes out what UTF-8 cannot say, so that every mistake can be told to anybody."""
        for name in ("file", "message"):
            text: str = getattr(self, name)
            object.__setattr__(self, name, text.encode("utf-8", "backslashreplace").decode())

    def __str__(self) -> str:
        """``file:line: message``, as editors and compilers understand it."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"
