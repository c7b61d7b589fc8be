"""A refusal says which rule, in a word of its own, and nothing of what was read."""

import pytest

from governd.errors import TokenRefusedError
from governd.tokens.faults import TokenFault, refuse


@pytest.mark.parametrize("fault", TokenFault)
def test_a_refusal_says_its_rule(fault: TokenFault) -> None:
    with pytest.raises(TokenRefusedError, match="words") as raised:
        refuse(fault, "words")
    assert raised.value.metadata == {"rule": fault.value}
    assert raised.value.retry_after is None


def test_a_refusal_of_the_server_carries_its_code() -> None:
    with pytest.raises(TokenRefusedError) as raised:
        refuse(TokenFault.REFUSED, "words", error="invalid_target")
    assert raised.value.metadata == {"rule": "refused", "error": "invalid_target"}


def test_what_a_parser_said_of_a_secret_is_not_told_with_it() -> None:
    def parse() -> None:
        try:
            int("hunter2")
        except ValueError:
            refuse(TokenFault.MALFORMED, "words")

    with pytest.raises(TokenRefusedError) as raised:
        parse()
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
