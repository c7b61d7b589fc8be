"""A page begins after the last one, whatever comes and goes meanwhile."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from governd._proto.governd.v1 import admin_service_pb2
from governd.application.list_tools import Place, place
from governd.errors import RequestError
from governd.policy.definitions import Kind
from governd.policy.offering import Standing, declared_standing
from governd.services import pages
from governd.services.admin_tools import PAGE_BYTES, AdminTools
from tests.policies import compiled

STANDING = declared_standing("git", compiled().servers["git"].tools["read"])


class FakeList:
    """A list of resources; has what ``AdminTools`` needs of ``ToolList`` for its pages."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def standings(
        self, server: str = "", *, quarantined: bool = False, after: Place | None = None
    ) -> list[Standing]:
        assert (server, quarantined) == ("git", True)
        found = [replace(STANDING, kind=Kind.RESOURCE, tool=None, name=one) for one in self.names]
        return sorted((one for one in found if after is None or place(one) > after), key=place)


async def page(of: FakeList, token: str = "") -> admin_service_pb2.ListToolsResponse:
    request = admin_service_pb2.ListToolsRequest(server="git", quarantined=True, page_token=token)
    keeper: Any = None
    tool_list: Any = of
    return await AdminTools(tool_list, keeper).list(request)


async def names_of_pages(of: FakeList) -> list[list[str]]:
    found, token = [], ""
    while True:
        answer = await page(of, token)
        assert answer.ByteSize() <= PAGE_BYTES + len(answer.next_page_token) + 5
        found.append([one.name for one in answer.tools])
        token = answer.next_page_token
        if not token:
            return found


def uris(count: int) -> list[str]:
    return [f"file:///{number:05}/".ljust(2048, "é")[:1030] for number in range(count)]


async def test_a_short_list_is_one_page() -> None:
    answer = await page(FakeList("b", "a"))
    assert [one.name for one in answer.tools] == ["a", "b"]
    assert answer.next_page_token == ""
    assert (await page(FakeList())).next_page_token == ""


@pytest.mark.req("gi-5", part=True)
async def test_a_long_list_comes_in_pages_that_any_client_takes_and_none_is_left_out() -> None:
    names = uris(1000)
    found = await names_of_pages(FakeList(*reversed(names)))
    assert len(found) >= 4
    assert [name for one in found for name in one] == names


async def test_what_comes_and_goes_between_pages_neither_hides_nor_repeats_others() -> None:
    offered = FakeList(*uris(600))
    first = await page(offered)
    seen = [one.name for one in first.tools]
    offered.names.remove(seen[-1])
    offered.names.insert(0, "file:///")
    second = await page(offered, first.next_page_token)
    assert second.tools[0].name == uris(600)[len(seen)]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        "=",
        base64.urlsafe_b64encode(b"git\n1").decode(),
        base64.urlsafe_b64encode(b"git\none\nx").decode(),
        base64.urlsafe_b64encode(b"git\n01\nx").decode(),
        base64.urlsafe_b64encode(b"git\n1\n\xff").decode(),
        pages.write(("git", 1, "x")) + "\n",
    ],
)
async def test_a_token_that_is_none_of_ours_is_a_mistake_of_its_field(token: str) -> None:
    with pytest.raises(RequestError) as refused:
        await page(FakeList("a"), token)
    assert refused.value.field == "page_token"


@pytest.mark.parametrize("name", ["a", "Ñ/ \x7f", "a" * 2048])
def test_a_token_says_where_the_page_before_ended(name: str) -> None:
    assert pages.read(pages.write(("git", 2, name))) == ("git", 2, name)
