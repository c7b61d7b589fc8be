"""governd's own IDs are governd's own."""

import pytest

from governd.errors import InvalidIdentityError
from governd.identity import SpiffeId, own
from governd.identity.svid import Workload

SIGNER = SpiffeId.parse("spiffe://example.org/governd/signer/node-1")
WEB = SpiffeId.parse("spiffe://example.org/web")
POD = Workload("pod")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spiffe://example.org/governd", True),
        ("spiffe://example.org/governd/server/node-1", True),
        ("spiffe://partner.example/governd/anything", True),
        ("spiffe://example.org/governd-proxy", False),
        ("spiffe://example.org/governd.x/signer", False),
        ("spiffe://example.org/ns/governd", False),
        ("spiffe://governd/web", False),
        ("spiffe://governd", False),
    ],
)
def test_own_ids_are_told_by_their_first_segment(text: str, *, expected: bool) -> None:
    assert own.is_own(SpiffeId.parse(text)) is expected


@pytest.mark.req("sa-3", part=True)
def test_attack_an_own_id_among_others_is_issued_to_governd_alone() -> None:
    with pytest.raises(InvalidIdentityError, match="signer/node-1 is governd's own and issued to"):
        own.check_issued(POD, [WEB, SIGNER])
    own.check_issued(Workload("own", own=True), [SIGNER])
    own.check_issued(POD, [WEB])
    own.check_issued(POD, [])
