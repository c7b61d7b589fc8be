"""A digest names a token, and tells two definitions apart."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from governd.identity import jose
from governd.identity.secret import Secret
from governd.tokens.digests import definition_of, digest_of

DOCUMENTS = st.lists(st.binary(max_size=4), max_size=3)


def test_a_token_is_named_by_its_sha_256() -> None:
    assert digest_of(Secret(b"token")) == jose.encode(hashlib.sha256(b"token").digest())


@given(DOCUMENTS, DOCUMENTS)
def test_two_definitions_have_one_digest_only_if_they_are_one(
    one: list[bytes], other: list[bytes]
) -> None:
    assert (definition_of(*one) == definition_of(*other)) is (one == other)


def test_where_one_document_ends_and_the_next_begins_counts() -> None:
    assert definition_of(b"ab", b"c") != definition_of(b"a", b"bc")
    assert definition_of(b"a") != definition_of(b"a", b"")
