"""The standard services of every listener."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.endpoints.doors import OpenDoor, ask, refused, unary, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health_stub(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def check(channel: grpc.aio.Channel, service: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return int((await health_stub(channel).Check(request)).status)


async def test_a_daemon_begins_not_ready_and_says_when_it_is(open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        assert await check(channel) == NOT_SERVING
        assert await check(channel, "test.Echo") == NOT_SERVING
        assert await check(channel, "test.Standing") == SERVING
        await door.health.set_ready(ready=True)
        assert await check(channel) == SERVING
        assert await check(channel, "test.Echo") == SERVING
    assert door.health.ready


async def test_a_daemon_that_drains_is_not_ready_and_never_again(open_door: OpenDoor) -> None:
    door = await open_door()
    await door.health.set_ready(ready=True)
    await door.health.draining()
    await door.health.set_ready(ready=True)
    assert not door.health.ready
    async with door.channel() as channel:
        for service in ("", "test.Echo", "test.Standing"):
            assert await check(channel, service) == NOT_SERVING


async def test_an_unknown_service_is_not_found(open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        assert (await refused(check(channel, "no.Such"))).code is grpc.StatusCode.NOT_FOUND
    labels = {"method": "/grpc.health.v1.Health/Check", "grpc_code": "NOT_FOUND"}
    await until(lambda: door.count("governd_calls_total", **labels) == 1)


async def test_who_watches_sees_each_change_and_is_told_to_come_back(open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == NOT_SERVING
        await door.health.set_ready(ready=True)
        assert (await watch.read()).status == SERVING
        await door.health.draining()
        assert (await watch.read()).status == NOT_SERVING
        drain = asyncio.ensure_future(door.listener.drain(grace=1.0))
        assert (await refused(watch.read())).reason == "DRAINING"
        await drain


async def test_reflection_lists_the_services(open_door: OpenDoor) -> None:
    door = await open_door()
    async with door.channel() as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        info = stub.ServerReflectionInfo()
        await info.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await info.read()
        names = {service.name for service in answer.list_services_response.service}
        assert names == {"test.Echo", "grpc.reflection.v1alpha.ServerReflection"}
        info.cancel()
        assert await ask(channel) == "hello"


@pytest.mark.parametrize("service", ["grpc.health.v1.Health/List"])
async def test_what_the_standard_servicer_does_not_implement_is_unimplemented(
    service: str, open_door: OpenDoor
) -> None:
    door = await open_door()
    async with door.channel() as channel:
        found = await refused(unary(channel, f"/{service}")(b""))
    assert found.code is grpc.StatusCode.UNIMPLEMENTED
