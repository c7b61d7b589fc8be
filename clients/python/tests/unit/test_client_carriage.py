"""How tokens are taken out of requests: the vectors that every receiver must answer alike."""

import json
from pathlib import Path
from typing import Any

import pytest

from governd_client.carriage import from_a2a, from_headers, from_mcp, the_one
from governd_client.errors import TokenRejectedError

VECTORS = Path(__file__).parents[4] / "tests/conformance/vectors/acting_as/requests.json"
CASES = json.loads(VECTORS.read_text())["vectors"]


def taken(presented: dict[str, Any]) -> str | None:
    return the_one(
        presented.get("token"),
        from_headers([(name, value) for name, value in presented.get("headers", ())]),
        from_mcp(presented.get("mcp_meta", {})),
        from_a2a(presented.get("a2a_metadata", {})),
    )


@pytest.mark.req("gi-3", part=True)
@pytest.mark.parametrize("vector", CASES, ids=[each["id"] for each in CASES])
def test_a_token_comes_as_the_vectors_have_it(vector: dict[str, Any]) -> None:
    if vector["result"] == {"rejected": {"reason": "CARRIAGE"}}:
        with pytest.raises(TokenRejectedError) as raised:
            taken(vector["presented"])
        assert raised.value.rejection == "CARRIAGE"
    else:
        assert taken(vector["presented"])


def test_a_request_without_a_token_has_none() -> None:
    assert taken({"headers": [("Accept", "*/*")], "mcp_meta": {}, "a2a_metadata": {}}) is None


def test_headers_may_be_bytes_as_asgi_has_them() -> None:
    assert from_headers([(b"acting-as-token", b"a.b.c")]) == "a.b.c"
    with pytest.raises(TokenRejectedError):
        from_headers([(b"acting-as-token", "a.b.ç".encode())])
