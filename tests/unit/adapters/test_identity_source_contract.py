"""The contract of identity sources, on those that need no neighbour."""

import dataclasses

import pytest

from governd.adapters.embedded_ca import EmbeddedAuthority
from governd.adapters.embedded_source import EmbeddedSource
from governd.identity.svid import Selector, Workload
from tests.contracts.identity_source import WEB, IdentitySourceContract, Subject
from tests.fakes.identity_source import FakeIdentitySource
from tests.fakes.time import NOON, FakeTime

POD = Workload("pod", (Selector("k8s", "ns:shop"), Selector("k8s", "sa:web")))
OTHER = Workload("other", (Selector("k8s", "ns:bank"),))
FIXED = dataclasses.replace(POD, spiffe_id=WEB)


class TestFake(IdentitySourceContract):
    @pytest.fixture
    def subject(self) -> Subject:
        source = FakeIdentitySource(FakeTime().wall_clock)
        source.register("/web", "k8s:ns:shop")
        return Subject(source, POD, FIXED, OTHER)


class TestEmbedded(IdentitySourceContract):
    @pytest.fixture
    def subject(self) -> Subject:
        time = FakeTime()
        authority = EmbeddedAuthority("example.org", NOON)
        source = EmbeddedSource(authority, wall_clock=time.wall_clock, sleep=time.sleep)
        return Subject(source, FIXED, FIXED, POD)
