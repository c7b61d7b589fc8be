"""A pod's socket is that pod's, is there while it is published, and then nothing is left."""

import asyncio
from typing import Any

import pytest

from governd.application.kept_volumes import KeptVolumes
from governd.application.pod_volumes import PodVolumes
from governd.application.volume_limits import VolumeLimits
from governd.errors import (
    DrainingError,
    GoverndError,
    ListenerError,
    NoIdentityError,
    RequestError,
    VolumeError,
)
from governd.pods.pod import Pod
from governd.pods.volume import Volume
from tests.fakes.volumes import FakePlace, FakeTargets, FakeVolumeObserver, FakeVolumeStore
from tests.fakes.workload_doors import FakeWorkloadDoors
from tests.pod_volumes import KUBELET, OTHER_POD, OTHER_UID, POD, UID, publish, target, volume

PATH = target().path(KUBELET)
NAME = volume().workload().name
ID = volume().id
ADMIN = Pod("kube-system", POD.name, POD.uid, "admin")
"""Who a list of volumes says has the UID; kubelet says otherwise."""
REPUBLISH_SECONDS = 300.0


class Node:
    """A governd on a node with two pods, whose time a test sets."""

    def __init__(self, *kept: Volume) -> None:
        self.doors = FakeWorkloadDoors()
        self.targets = FakeTargets(UID, OTHER_UID)
        self.store = FakeVolumeStore(*kept)
        self.observer = FakeVolumeObserver()
        self.now = 1000.0
        self.kept: KeptVolumes[FakePlace] = KeptVolumes(self.store, self.observer)
        self.volumes = PodVolumes(
            self.doors,
            self.targets,
            self.kept,
            self.observer,
            limits=VolumeLimits(KUBELET, volumes=3, per_pod=2, republish_seconds=REPUBLISH_SECONDS),
            clock=lambda: self.now,
        )

    async def refused(self, **other: Any) -> GoverndError:
        """Publishes something that must be refused."""
        with pytest.raises(GoverndError) as refusal:
            await self.volumes.publish(publish(**other))
        assert self.observer.events[-1] == ("refused", str(refusal.value))
        return refusal.value

    def nothing_is_there(self) -> bool:
        """Whether nothing is open, made or kept."""
        return not (self.doors.workloads or self.targets.made or self.store.kept)


@pytest.fixture
def node() -> Node:
    return Node()


async def test_a_published_volume_has_its_pods_socket_and_is_kept(node: Node) -> None:
    await node.volumes.publish(publish())
    assert node.doors.workloads == {NAME: volume().workload()}
    assert node.targets.made == {target()}
    assert node.store.kept == (volume(),)
    assert node.observer.events == [("opened", "governd")]
    assert node.volumes.count == 1


async def test_to_publish_again_changes_nothing(node: Node) -> None:
    for _ in range(3):
        await node.volumes.publish(publish())
    assert [word for word, _ in node.observer.events] == ["opened", "again", "again"]
    assert node.store.saves == 1
    assert node.doors.closed == []


async def test_to_publish_again_puts_back_a_socket_that_was_removed(node: Node) -> None:
    await node.volumes.publish(publish())
    node.kept.entries[target()].place.there = False
    node.targets.made.clear()
    await node.volumes.publish(publish())
    assert node.observer.events[-1] == ("repaired", "governd")
    assert node.doors.closed == [NAME]
    assert NAME in node.doors.workloads
    assert node.targets.made == {target()}


async def test_a_repair_that_fails_gives_nothing_up(node: Node) -> None:
    """As in a drain: the sockets are gone, and the successor needs to know of the volume."""
    await node.volumes.publish(publish())
    node.kept.entries[target()].place.there = False
    node.doors.failure = DrainingError("governd is shutting down")
    assert isinstance(await node.refused(), DrainingError)
    assert node.store.kept == (volume(),)
    node.doors.failure = None
    await node.volumes.publish(publish())
    assert node.observer.events[-1] == ("repaired", "governd")


async def test_two_volumes_of_a_pod_have_a_socket_each(node: Node) -> None:
    await node.volumes.publish(publish(volume(name="a")))
    await node.volumes.publish(publish(volume(name="b")))
    assert len(node.doors.workloads) == 2
    await node.volumes.unpublish(volume(name="a").id, target(name="a").path(KUBELET))
    assert list(node.doors.workloads) == [volume(name="b").workload().name]


async def test_attack_a_target_is_published_again_for_another_service_account(node: Node) -> None:
    await node.volumes.publish(publish())
    admin = Pod(POD.namespace, POD.name, POD.uid, "admin")
    refused = await node.refused(of=volume(admin))
    assert isinstance(refused, VolumeError)
    assert refused.field == "target_path"
    assert node.doors.workloads == {NAME: volume().workload()}


async def test_attack_another_pod_under_a_uid_that_is_taken(node: Node) -> None:
    await node.volumes.publish(publish())
    other = Pod("other", POD.name, POD.uid, POD.service_account)
    refused = await node.refused(of=volume(other, "second"))
    assert "another pod has that UID" in str(refused)
    assert len(node.doors.workloads) == 1


async def test_attack_a_pod_with_a_thousand_volumes(node: Node) -> None:
    for name in ("a", "b"):
        await node.volumes.publish(publish(volume(name=name)))
    assert "the pod has 2 volumes" in str(await node.refused(of=volume(name="c")))
    await node.volumes.publish(publish(volume(OTHER_POD)))
    assert "this node has 3 volumes" in str(await node.refused(of=volume(OTHER_POD, "d")))


async def test_the_limits_hold_for_volumes_that_come_at_once(node: Node) -> None:
    node.doors.go_on.clear()
    tasks = [asyncio.ensure_future(node.volumes.publish(publish(volume(name=n)))) for n in "abcd"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    node.doors.go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, VolumeError) for one in outcomes) == 2
    assert len(node.doors.workloads) == 2


@pytest.mark.parametrize(
    "failure",
    [ListenerError("socket: is a symbolic link"), NoIdentityError("none"), DrainingError("bye")],
)
async def test_of_a_volume_that_cannot_be_opened_nothing_is_kept(
    node: Node, failure: GoverndError
) -> None:
    node.doors.failure = failure
    refused = await node.refused()
    wanted = VolumeError if isinstance(failure, ListenerError) else type(failure)
    assert isinstance(refused, wanted)
    assert str(failure) in str(refused)
    assert node.store.kept == ()
    assert node.volumes.count == 0


async def test_a_target_that_is_not_as_it_must_be_gets_no_socket(node: Node) -> None:
    node.targets.broken = True
    assert isinstance(await node.refused(), VolumeError)
    assert not node.doors.workloads


async def test_what_kubelet_would_not_ask_for_is_refused_before_anything_is_made(
    node: Node,
) -> None:
    assert isinstance(await node.refused(readonly=False), RequestError)
    assert node.nothing_is_there()


async def test_an_unpublish_leaves_nothing(node: Node) -> None:
    await node.volumes.publish(publish())
    await node.volumes.unpublish(ID, PATH)
    assert node.nothing_is_there()
    assert node.observer.events[-1] == ("unpublished", "governd")


async def test_an_unpublish_of_nothing_is_fine(node: Node) -> None:
    for _ in range(2):
        await node.volumes.unpublish(ID, PATH)
    assert node.observer.events == [("unknown", "governd")] * 2


async def test_a_volume_that_this_governd_never_knew_is_removed(node: Node) -> None:
    node.targets.made.add(target())
    await node.volumes.unpublish(ID, PATH)
    assert node.nothing_is_there()


async def test_an_unpublish_that_cannot_remove_fails_and_the_socket_is_gone(node: Node) -> None:
    await node.volumes.publish(publish())
    node.targets.broken = True
    with pytest.raises(VolumeError):
        await node.volumes.unpublish(ID, PATH)
    assert not node.doors.workloads
    assert node.store.kept == ()
    assert node.observer.events[-1][0] == "not_removed"
    node.targets.broken = False
    await node.volumes.unpublish(ID, PATH)
    assert node.nothing_is_there()


async def test_publish_and_unpublish_of_one_target_take_their_turns(node: Node) -> None:
    node.doors.go_on.clear()
    first = asyncio.ensure_future(node.volumes.publish(publish()))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(node.volumes.unpublish(ID, PATH))
    await asyncio.sleep(0)
    node.doors.go_on.set()
    await asyncio.gather(first, second)
    assert node.nothing_is_there()


@pytest.mark.req("avail-2", part=True)
async def test_after_a_restart_sockets_are_back_without_kubelet() -> None:
    node = Node(volume(), volume(OTHER_POD))
    node.targets.made |= {target(), target(OTHER_UID)}
    await node.volumes.restore()
    assert len(node.doors.workloads) == 2
    assert node.observer.events == [("restored", "2")]
    await node.volumes.publish(publish())
    assert node.observer.events[-1] == ("again", "governd")


async def test_after_a_restart_a_volume_without_its_directory_is_dropped() -> None:
    node = Node(volume(), volume(OTHER_POD))
    node.targets.made.add(target())
    await node.volumes.restore()
    assert list(node.doors.workloads) == [NAME]
    assert node.store.kept == (volume(),)
    assert ("dropped", "its directory is gone") in node.observer.events


async def test_what_cannot_be_restored_hinders_no_other_and_comes_back_with_kubelet() -> None:
    node = Node(volume())
    node.targets.made.add(target())
    node.doors.failure = ListenerError("socket: another process answers there")
    await node.volumes.restore()
    assert [word for word, _ in node.observer.events] == ["not_restored", "restored"]
    assert node.observer.events[-1] == ("restored", "0")
    assert node.store.kept == (volume(),)  # nor is it lost in the next restart
    node.doors.failure = None
    await node.volumes.publish(publish())
    assert node.observer.events[-1] == ("repaired", "governd")
    assert NAME in node.doors.workloads


async def restored(*kept: Volume) -> Node:
    """A governd that was restarted with these on its list, all with their directories."""
    node = Node(*kept)
    node.targets.made |= {one.target for one in kept}
    await node.volumes.restore()
    return node


@pytest.mark.req("sa-4", part=True)
async def test_attack_a_restored_entry_with_other_facts_gives_way_to_kubelet() -> None:
    node = await restored(volume(ADMIN))
    await node.volumes.publish(publish())
    assert node.doors.closed == [volume(ADMIN).workload().name]
    assert node.doors.workloads == {NAME: volume().workload()}
    assert node.store.kept == (volume(),)
    words = [word for word, _ in node.observer.events]
    assert words == ["restored", "refuted", "opened"]


async def test_a_restored_entry_under_another_volume_id_gives_way_to_kubelet() -> None:
    node = await restored(Volume("csi-other", "governd", POD))
    await node.volumes.publish(publish())
    assert node.store.kept == (volume(),)
    assert ("refuted", NAME) in node.observer.events


@pytest.mark.req("sa-4", part=True)
async def test_attack_two_pods_under_one_uid_in_the_list() -> None:
    """Kubelet's word for one of them ends the other, whichever volume that has."""
    node = await restored(volume(name="a"), volume(ADMIN, "b"))
    await node.volumes.publish(publish(volume(name="a")))
    assert node.doors.workloads == {volume(name="a").workload().name: volume(name="a").workload()}
    assert node.store.kept == (volume(name="a"),)
    await node.volumes.publish(publish(volume(name="b")))
    assert len(node.doors.workloads) == 2


async def test_two_volumes_that_contradict_the_list_do_not_wait_for_each_other() -> None:
    node = await restored(volume(ADMIN, "a"), volume(ADMIN, "b"))
    ours = [volume(name=name) for name in "ab"]
    await asyncio.gather(*(node.volumes.publish(publish(one)) for one in ours))
    assert node.store.kept == tuple(ours)


async def test_what_kubelet_confirmed_is_no_guess_any_more() -> None:
    node = await restored(volume())
    await node.volumes.publish(publish())
    assert isinstance(await node.refused(of=volume(ADMIN)), VolumeError)
    assert node.doors.workloads == {NAME: volume().workload()}


async def test_a_list_that_is_too_long_takes_no_pod_its_place() -> None:
    node = await restored(volume(name="x"), volume(name="y"), volume(OTHER_POD, "z"))
    for name in ("a", "b"):
        await node.volumes.publish(publish(volume(name=name)))
    await node.volumes.publish(publish(volume(OTHER_POD)))
    assert "the pod has 2 volumes" in str(await node.refused(of=volume(name="c")))


async def test_what_kubelet_never_asks_for_is_dropped_though_its_directories_are_there() -> None:
    node = await restored(volume(), volume(OTHER_POD))
    node.now += 10 * REPUBLISH_SECONDS
    await node.volumes.sweep()
    assert len(node.doors.workloads) == 2  # kubelet does not know the plugin yet
    node.volumes.kubelet_registered()
    await node.volumes.publish(publish())
    node.now += REPUBLISH_SECONDS
    await node.volumes.sweep()
    assert len(node.doors.workloads) == 2
    node.now += 1
    await node.volumes.sweep()
    assert list(node.doors.workloads) == [NAME]
    assert node.store.kept == (volume(),)
    assert node.observer.events[-1] == ("dropped", "kubelet does not ask for it")


async def test_an_unpublish_under_another_volume_id_is_refused(node: Node) -> None:
    await node.volumes.publish(publish())
    with pytest.raises(VolumeError) as refusal:
        await node.volumes.unpublish("csi-other", PATH)
    assert refusal.value.field == "volume_id"
    assert node.observer.events[-1] == ("not_removed", str(refusal.value))
    assert NAME in node.doors.workloads
    assert node.targets.made == {target()}


async def test_kubelet_unpublishes_what_was_restored_under_another_volume_id() -> None:
    node = await restored(Volume("csi-other", "governd", POD))
    await node.volumes.unpublish(ID, PATH)
    assert node.nothing_is_there()
    assert ("refuted", NAME) in node.observer.events


async def test_an_unpublish_that_is_refused_is_told(node: Node) -> None:
    with pytest.raises(RequestError):
        await node.volumes.unpublish(ID, "/etc")
    assert node.observer.events[-1][0] == "not_removed"


async def test_a_store_that_cannot_be_read_is_told_and_governd_waits_for_kubelet() -> None:
    node = Node(volume())
    node.store.unreadable = True
    await node.volumes.restore()
    assert [word for word, _ in node.observer.events] == ["not_read", "restored"]
    await node.volumes.publish(publish())
    assert node.store.kept == (volume(),)


async def test_a_store_that_cannot_be_written_is_told_once_and_keeps_no_pod_waiting(
    node: Node,
) -> None:
    node.store.full = True
    for _ in range(2):
        await node.volumes.publish(publish())
    words = [word for word, _ in node.observer.events]
    assert words == ["not_kept", "opened", "again"]
    assert "no space left" in node.volumes.problem
    node.store.full = False
    await node.volumes.publish(publish())
    assert node.store.kept == (volume(),)
    assert node.volumes.problem == ""


async def test_the_pods_of_a_slow_kubelet_are_not_given_up(node: Node) -> None:
    await node.volumes.publish(publish())
    node.now += 10 * REPUBLISH_SECONDS
    await node.volumes.sweep()
    assert NAME in node.doors.workloads


async def test_a_pod_that_is_gone_is_given_up_when_kubelet_has_been_silent(node: Node) -> None:
    await node.volumes.publish(publish())
    node.targets.pods.clear()
    node.now += REPUBLISH_SECONDS
    await node.volumes.sweep()
    assert NAME in node.doors.workloads
    node.now += 1
    await node.volumes.sweep()
    assert not node.doors.workloads
    assert node.store.kept == ()
    assert node.observer.events[-1] == ("dropped", "its pod is gone")


async def test_kubelets_word_counts_anew_each_time(node: Node) -> None:
    await node.volumes.publish(publish())
    node.now += REPUBLISH_SECONDS
    await node.volumes.publish(publish())
    node.targets.pods.clear()
    node.now += REPUBLISH_SECONDS
    await node.volumes.sweep()
    assert NAME in node.doors.workloads


async def test_many_volumes_at_once_share_their_writes(node: Node) -> None:
    node.doors.go_on.clear()
    tasks = [
        asyncio.ensure_future(node.volumes.publish(publish(volume(p)))) for p in (POD, OTHER_POD)
    ]
    await asyncio.sleep(0)
    node.doors.go_on.set()
    await asyncio.gather(*tasks)
    assert len(node.store.kept) == 2
    assert node.store.saves <= 2


async def test_an_unpublish_that_is_cancelled_can_be_asked_for_again(node: Node) -> None:
    await node.volumes.publish(publish())
    node.doors.go_on.clear()
    task = asyncio.ensure_future(node.volumes.unpublish(ID, PATH))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert NAME in node.doors.workloads
    node.doors.go_on.set()
    await node.volumes.unpublish(ID, PATH)
    assert node.nothing_is_there()


async def test_a_publish_that_is_cancelled_leaves_nothing_and_can_be_asked_for_again(
    node: Node,
) -> None:
    node.doors.go_on.clear()
    task = asyncio.ensure_future(node.volumes.publish(publish()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert node.volumes.count == 0
    assert not node.store.kept
    node.doors.go_on.set()
    await node.volumes.publish(publish())
    assert node.store.kept == (volume(),)


async def test_a_write_that_has_begun_is_finished_though_its_caller_is_cancelled(
    node: Node,
) -> None:
    node.store.go_on.clear()
    task = asyncio.ensure_future(node.volumes.publish(publish()))
    await node.store.saving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = asyncio.ensure_future(node.volumes.publish(publish(volume(OTHER_POD))))
    await asyncio.sleep(0)
    assert node.store.writing == 1
    node.store.go_on.set()
    await again
    assert node.store.kept == (volume(), volume(OTHER_POD))
