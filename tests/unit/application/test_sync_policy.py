"""The newest good policy is in force; a bad source keeps the last good one, ageing."""

import asyncio
from collections.abc import Mapping

import pytest

from governd.application.ports import CompilerError
from governd.application.sync_policy import PolicyKeeper, PolicyState
from governd.errors import PolicyError, Problem
from governd.policy.compiled import CompiledPolicy
from governd.policy.entities import Uid
from governd.policy.offered import Offered
from tests.fakes.policy_compiler import FakePolicyCompiler
from tests.fakes.policy_source import FakePolicySource
from tests.policies import PERMIT_ALL, WRITER, ask, source_files

TEST = "policies/test.cedar"


class Kept:
    """A keeper over a fake source and a fake compiler, with a clock that tests move."""

    def __init__(self, source: FakePolicySource | None) -> None:
        self.now = 100.0
        self.compiler = FakePolicyCompiler()
        self.told: list[PolicyState] = []
        self.keeper = PolicyKeeper(
            source,
            self.compiler,
            clock=lambda: self.now,
            on_load=self.told.append,
        )

    @property
    def state(self) -> PolicyState:
        return self.keeper.state

    @property
    def age(self) -> float:
        return self.state.info(self.now).age_seconds


@pytest.fixture
def source() -> FakePolicySource:
    return FakePolicySource(source_files(PERMIT_ALL))


@pytest.fixture
async def kept(source: FakePolicySource) -> Kept:
    kept = Kept(source)
    await kept.keeper.check()
    return kept


async def test_nothing_is_in_force_before_the_first_look(source: FakePolicySource) -> None:
    state = Kept(source).state
    assert (state.policy, state.problems) == (None, ())
    assert state.info(1e9).age_seconds == 0
    assert state.info(0).epoch


async def test_a_good_source_comes_into_force(kept: Kept) -> None:
    info = kept.state.info(kept.now)
    assert kept.state.policy
    assert info.digest == kept.state.policy.digest
    assert (info.bundle_version, info.age_seconds) == (7, 0)
    assert kept.told == [kept.state]


async def test_an_unchanged_source_is_verified_without_being_read(
    kept: Kept, source: FakePolicySource
) -> None:
    kept.now += 50
    assert kept.age == 50
    before = kept.state
    await kept.keeper.check()
    assert (kept.age, source.reads) == (0, 1)
    assert (kept.state.epoch, kept.state.policy) == (before.epoch, before.policy)
    assert len(kept.told) == 1


async def test_a_changed_policy_is_a_new_epoch(kept: Kept, source: FakePolicySource) -> None:
    before = kept.state
    source.put(TEST, b"")
    await kept.keeper.check()
    assert kept.state.epoch != before.epoch
    assert kept.state.policy is not before.policy
    assert len(kept.told) == 2


async def test_a_touched_policy_is_no_new_epoch(kept: Kept, source: FakePolicySource) -> None:
    before = kept.state
    source.put(TEST, source.files[TEST])
    source.put("README.md", b"not read")
    await kept.keeper.check()
    assert (kept.state.epoch, source.reads) == (before.epoch, 2)
    assert len(kept.told) == 1


BAD = {
    "a syntax error": (TEST, b"permit (oops);"),
    "a wrong type": (TEST, b"permit (principal, action, resource) when { principal.oops };"),
    "a broken manifest": ("manifest.toml", b""),
    "a policy that could not be read back": (
        TEST,
        b"permit (principal, action, resource) when { true" + b" && true" * 500 + b" };",
    ),
}


@pytest.mark.req("gi-4", part=True)
@pytest.mark.parametrize(("path", "content"), BAD.values(), ids=BAD.keys())
async def test_a_bad_source_keeps_the_last_good_policy_and_its_age_grows(
    kept: Kept, source: FakePolicySource, path: str, content: bytes
) -> None:
    before = kept.state
    source.put(path, content)
    for _ in range(3):
        kept.now += 10
        await kept.keeper.check()
    assert (kept.state.policy, kept.state.epoch) == (before.policy, before.epoch)
    assert kept.age == 30
    assert kept.state.problems[0].file == path
    assert source.reads == 2, "a refused state is not read again and again"
    assert len(kept.told) == 2, "and not told again and again"


async def test_a_fault_that_nobody_foresaw_is_a_refused_source_too(
    source: FakePolicySource,
) -> None:
    kept = Kept(source)
    kept.compiler.fault = KeyError()
    await kept.keeper.check()
    assert kept.state.policy is None
    assert "KeyError" in kept.state.problems[0].message


async def test_a_compiler_that_fails_leaves_the_last_good_policy_and_is_tried_again(
    kept: Kept, source: FakePolicySource
) -> None:
    before = kept.state
    kept.compiler.fault = CompilerError([Problem("policy", 0, "the compiler ended by SIGKILL")])
    source.put(TEST, b"")
    with pytest.raises(PolicyError, match="SIGKILL"):
        await kept.keeper.reload()
    kept.now += 1
    await kept.keeper.check()
    assert (kept.state.policy, kept.state.epoch) == (before.policy, before.epoch)
    assert (kept.age, kept.state.problems[0].message) == (1, "the compiler ended by SIGKILL")
    assert kept.compiler.compiled == 2, "not at once"
    kept.compiler.fault = None
    kept.now += 1
    await kept.keeper.check()
    assert kept.state.policy is not before.policy
    assert (kept.age, kept.state.problems) == (0, ())


async def test_a_compiler_that_goes_on_failing_is_tried_less_and_less(
    kept: Kept, source: FakePolicySource
) -> None:
    kept.compiler.fault = CompilerError([Problem("policy", 0, "the compiler ended by SIGSEGV")])
    source.put(TEST, b"")
    for _ in range(600):
        kept.now += 1
        await kept.keeper.check()
    assert 10 < kept.compiler.compiled < 20


async def test_a_reload_that_is_given_up_does_not_leave_the_old_policy_looking_fresh(
    kept: Kept, source: FakePolicySource
) -> None:
    """Its caller's deadline passes, or it hangs up, while the new policy is being compiled."""
    before = kept.state.policy
    compiling = asyncio.Event()

    async def never(_files: object) -> CompiledPolicy:
        compiling.set()
        await asyncio.Event().wait()
        raise AssertionError

    compile_ = kept.compiler.compile
    kept.compiler.compile = never  # type: ignore[method-assign, assignment]
    source.put(TEST, b"")
    reload = asyncio.create_task(kept.keeper.reload())
    await compiling.wait()
    reload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reload
    kept.compiler.compile = compile_  # type: ignore[method-assign]
    kept.now += 5
    assert kept.age == 5
    await kept.keeper.check()
    assert kept.state.policy is not before


async def test_the_policy_in_force_is_not_compiled_again(
    kept: Kept, source: FakePolicySource
) -> None:
    assert await kept.keeper.reload() is False
    source.put("README.md", b"not read")
    assert await kept.keeper.reload() is False
    assert kept.compiler.compiled == 1


async def test_a_file_that_must_not_be_passed_over_is_refused_though_all_else_is_as_it_was(
    kept: Kept, source: FakePolicySource
) -> None:
    source.put("policies/more.ceder", b"")
    with pytest.raises(PolicyError, match="is not read"):
        await kept.keeper.reload()


async def test_an_old_policy_forgets_what_was_parsed_for_it_and_still_answers(
    kept: Kept, source: FakePolicySource
) -> None:
    old = kept.state.policy
    assert old
    for number in range(50):
        assert ask(old, f"{WRITER}-{number}").allowed
    source.put(TEST, b"")
    assert await kept.keeper.reload()
    assert (len(old.asked), len(old.handles.made)) == (0, 0)
    assert ask(old).allowed


@pytest.mark.req("gi-4", part=True)
async def test_a_source_that_is_away_keeps_the_last_good_policy(
    kept: Kept, source: FakePolicySource
) -> None:
    source.away = True
    kept.now += 10
    await kept.keeper.check()
    assert (kept.age, kept.state.problems[0].message) == (10, "is away")
    source.away = False
    kept.now += 10
    await kept.keeper.check()
    assert (kept.age, kept.state.problems) == (0, ())
    assert [state.problems != () for state in kept.told] == [False, True, False]


async def test_a_bad_source_that_is_mended_comes_into_force(
    kept: Kept, source: FakePolicySource
) -> None:
    good, epoch = source.files[TEST], kept.state.epoch
    source.put(TEST, b"permit (oops);")
    await kept.keeper.check()
    source.put(TEST, good)
    kept.now += 10
    await kept.keeper.check()
    assert (kept.state.problems, kept.state.epoch, kept.age) == ((), epoch, 0)
    source.put(TEST, b"")
    await kept.keeper.check()
    assert kept.state.epoch != epoch


async def test_an_age_is_never_below_zero(kept: Kept) -> None:
    assert kept.state.info(0).age_seconds == 0


async def test_a_source_that_was_never_good_leaves_nothing_in_force(
    source: FakePolicySource,
) -> None:
    source.put(TEST, b"permit (oops);")
    kept = Kept(source)
    await kept.keeper.check()
    assert kept.state.policy is None
    assert kept.state.problems


async def test_without_a_source_there_is_nothing_to_look_at() -> None:
    kept = Kept(None)
    await kept.keeper.check()
    assert kept.state.policy is None
    assert kept.state.problems[0].message == "no policy source is configured"
    with pytest.raises(PolicyError):
        await kept.keeper.reload()


async def test_a_reload_says_whether_anything_changed(kept: Kept, source: FakePolicySource) -> None:
    assert await kept.keeper.reload() is False
    source.put(TEST, b"")
    assert await kept.keeper.reload() is True


async def test_a_reload_of_a_bad_source_is_an_error(kept: Kept, source: FakePolicySource) -> None:
    before = kept.state.policy
    source.put(TEST, b"permit (oops);")
    with pytest.raises(PolicyError):
        await kept.keeper.reload()
    assert kept.state.policy is before


async def test_a_source_that_could_not_be_read_is_read_again(
    kept: Kept, source: FakePolicySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signature may be the same as before, as after a change of rights and back."""

    def unreadable() -> None:
        raise PolicyError([Problem("policies/test.cedar", 0, "cannot be read")])

    with monkeypatch.context() as broken:
        broken.setattr(source, "read", unreadable)
        with pytest.raises(PolicyError):
            await kept.keeper.reload()
    kept.now += 10
    await kept.keeper.check()
    assert (kept.state.problems, kept.age) == ((), 0)


async def test_reloads_at_once_are_one_after_the_other(
    kept: Kept, source: FakePolicySource
) -> None:
    source.put(TEST, b"")
    changed = await asyncio.gather(*(kept.keeper.reload() for _ in range(3)))
    assert sorted(changed) == [False, False, True]


async def test_watching_finds_a_change(source: FakePolicySource) -> None:
    loaded = asyncio.Event()
    keeper = PolicyKeeper(
        source,
        FakePolicyCompiler(),
        clock=lambda: 0.0,
        on_load=lambda _: loaded.set(),
    )
    watching = asyncio.create_task(keeper.watch(0))
    await asyncio.wait_for(loaded.wait(), timeout=5)
    watching.cancel()
    assert keeper.state.policy


class Wardrobe:
    """Dresses policies, each time another, when ``open`` of that time is set."""

    def __init__(self) -> None:
        self.dressed: list[CompiledPolicy] = []
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.fault: Exception | None = None

    async def dress(self, policy: CompiledPolicy) -> CompiledPolicy:
        self.asked.set()
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        self.dressed.append(policy.offering(Offered(digests={Uid("Tool", "git/x"): "d"})))
        return self.dressed[-1]


class ToldCompiler(FakePolicyCompiler):
    """A compiler that tells when it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.done = asyncio.Event()

    async def compile(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        policy = await super().compile(files)
        self.done.set()
        return policy


class Dressed:
    """A keeper that dresses its policies."""

    def __init__(self, source: FakePolicySource) -> None:
        self.now = 100.0
        self.compiler = ToldCompiler()
        self.wardrobe = Wardrobe()
        self.loaded: list[PolicyState] = []
        self.redressed: list[PolicyState] = []
        self.keeper = PolicyKeeper(
            source,
            self.compiler,
            clock=lambda: self.now,
            on_load=self.loaded.append,
            on_redress=self.redressed.append,
            dress=self.wardrobe.dress,
        )

    @property
    def state(self) -> PolicyState:
        return self.keeper.state


@pytest.fixture
async def dressed(source: FakePolicySource) -> Dressed:
    dressed = Dressed(source)
    await dressed.keeper.check()
    return dressed


async def test_no_policy_is_in_force_undressed(dressed: Dressed, source: FakePolicySource) -> None:
    assert dressed.state.policy is dressed.wardrobe.dressed[0]
    dressed.wardrobe.open.clear()
    dressed.wardrobe.asked.clear()
    source.put(TEST, b"")
    swap = asyncio.create_task(dressed.keeper.reload())
    await dressed.wardrobe.asked.wait()
    assert dressed.state.policy is dressed.wardrobe.dressed[0], "the old one decides meanwhile"
    dressed.wardrobe.open.set()
    assert await swap
    assert dressed.state.policy is dressed.wardrobe.dressed[1]


async def test_dressing_anew_is_a_new_epoch_and_no_word_of_the_source(dressed: Dressed) -> None:
    before = dressed.state
    assert before.policy
    dressed.now += 7
    await dressed.keeper.redress()
    after = dressed.state
    assert after.policy is dressed.wardrobe.dressed[1]
    assert after.epoch != before.epoch
    assert (after.verified, after.problems) == (before.verified, before.problems)
    assert after.policy.digest == before.policy.digest
    assert (dressed.redressed, len(dressed.loaded)) == ([after], 1)


async def test_a_source_that_was_refused_stays_so_when_the_policy_is_dressed_anew(
    dressed: Dressed, source: FakePolicySource
) -> None:
    source.put(TEST, b"permit (oops);")
    await dressed.keeper.check()
    await dressed.keeper.redress()
    assert dressed.state.problems
    assert dressed.state.policy is dressed.wardrobe.dressed[1]


async def test_a_source_that_is_the_same_does_not_undress_the_policy(
    dressed: Dressed, source: FakePolicySource
) -> None:
    await dressed.keeper.redress()
    before = dressed.state
    source.put("README.md", b"not read")
    assert await dressed.keeper.reload() is False
    assert dressed.state.policy is before.policy
    assert dressed.state.epoch == before.epoch


async def test_a_swap_while_the_policy_is_dressed_anew_waits_for_it(
    dressed: Dressed, source: FakePolicySource
) -> None:
    """Otherwise what was dressed of the old policy would take the new one's place."""
    slow = dressed.wardrobe.open = asyncio.Event()
    dressed.wardrobe.asked.clear()
    redress = asyncio.create_task(dressed.keeper.redress())
    await dressed.wardrobe.asked.wait()
    dressed.wardrobe.open = asyncio.Event()
    dressed.wardrobe.open.set()
    source.put(TEST, b"")
    dressed.compiler.done.clear()
    swap = asyncio.create_task(dressed.keeper.reload())
    await dressed.compiler.done.wait()
    for _ in range(10):  # steps of the loop, in which it could go on
        await asyncio.sleep(0)
    assert not swap.done()
    slow.set()
    await asyncio.gather(redress, swap)
    assert dressed.state.policy is dressed.wardrobe.dressed[2]
    assert "all" not in dressed.state.policy.policies, "the new source is in force"


async def test_an_old_dress_forgets_what_was_asked_and_shares_what_was_parsed(
    dressed: Dressed,
) -> None:
    old = dressed.state.policy
    assert old
    for number in range(50):
        assert ask(old, f"{WRITER}-{number}").allowed
    await dressed.keeper.redress()
    new = dressed.state.policy
    assert new
    assert len(old.asked) == 0
    assert new.handles is old.handles
    assert len(new.handles.made) > 0
    assert ask(old).allowed


async def test_without_a_policy_there_is_nothing_to_dress(source: FakePolicySource) -> None:
    dressed = Dressed(source)
    epoch = dressed.state.epoch
    await dressed.keeper.redress()
    assert (dressed.state.epoch, dressed.wardrobe.dressed) == (epoch, [])


async def test_a_policy_that_cannot_be_dressed_is_refused_and_the_last_good_one_stays(
    dressed: Dressed, source: FakePolicySource
) -> None:
    before = dressed.state
    dressed.wardrobe.fault = KeyError("x")
    source.put(TEST, b"")
    await dressed.keeper.check()
    assert (dressed.state.policy, dressed.state.epoch) == (before.policy, before.epoch)
    assert "KeyError" in dressed.state.problems[0].message
