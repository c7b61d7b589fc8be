"""What people and programs are shown of identities."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import RenderableType

from governd._proto.governd.v1 import admin_service_pb2, identity_service_pb2
from governd.cli import connection, failure, identity_list, identity_show, identity_text, output
from governd.cli.identity import identity

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Status = admin_service_pb2.IdentityStatus
KEYS = {
    *(
        "workload",
        "spiffe_id",
        "phase",
        "reason",
        "attestation",
        "source",
        "svids",
        "federates_with",
    ),
    *("selectors", "facts"),
}


def ready(name: str = "web", *, age: timedelta = timedelta(minutes=10)) -> Status:
    """An identity of an hour."""
    one = Status(
        workload=name,
        spiffe_id=f"spiffe://example.org/{name}",
        phase=identity_service_pb2.PHASE_READY,
        attestation=identity_service_pb2.ATTESTATION_SPIRE,
        source="spire",
        selectors=["k8s:ns:shop", "k8s:sa:web"],
        federates_with=["example.com"],
        facts={"namespace": "shop"},
    )
    svid = one.svids.add(spiffe_id=f"spiffe://example.org/{name}", hint="internal")
    svid.not_before.FromDatetime(NOW - age)
    svid.next_rotation.FromDatetime(NOW - age + timedelta(minutes=30))
    svid.not_after.FromDatetime(NOW - age + timedelta(hours=1))
    return one


def waiting(name: str = "late") -> Status:
    return Status(
        workload=name,
        phase=identity_service_pb2.PHASE_WAITING,
        reason="no registration entry matches",
        attestation=identity_service_pb2.ATTESTATION_SPIRE,
        source="spire",
    )


def by_template() -> Status:
    return Status(
        workload="late",
        spiffe_id="spiffe://example.org/ns/shop",
        phase=identity_service_pb2.PHASE_READY,
        reason="the path template says who it is, there is no SVID",
        attestation=identity_service_pb2.ATTESTATION_TEMPLATE,
        source="spire",
    )


def shown(capsys: pytest.CaptureFixture[str], *parts: RenderableType) -> str:
    output.show(*parts)
    return capsys.readouterr().out


def listed(capsys: pytest.CaptureFixture[str], *found: Status, waiting: bool = False) -> str:
    return shown(capsys, *identity_list.words(found, NOW, waiting=waiting))


# list


def test_a_list_tells_who_has_what_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    said = listed(capsys, ready(), waiting())
    for part in ("web", "spiffe://example.org/web", "ready", "spire", "in 50 min 0 s"):
        assert part in said
    for part in ("late", "waiting", "no registration entry matches"):
        assert part in said
    assert "1 held for 2 workloads, 1 without" in said


def test_an_empty_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys) == "no identities are held\n"
    assert listed(capsys, waiting=True) == "no workload waits\n"


def test_an_identity_that_should_have_been_renewed_is_a_warning() -> None:
    fresh, stale = ready(), ready(age=timedelta(minutes=55))
    stale.reason = "SPIRE agent is away"
    assert identity_text.ends(fresh, NOW).style == ""
    assert identity_text.ends(stale, NOW).style == output.WARN
    assert identity_text.phase(stale).style == output.WARN
    assert identity_text.ends(waiting(), NOW).plain == "-"


def test_a_time_is_told_from_now() -> None:
    svid = ready(age=timedelta(minutes=31)).svids[0]
    assert identity_text.left(svid.next_rotation, NOW) == "1 min 0 s ago"
    assert identity_text.left(svid.not_after, NOW) == "in 29 min 0 s"


def test_of_several_ids_the_first_is_who_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    one = ready()
    one.svids.add(spiffe_id="spiffe://example.org/api").CopyFrom(one.svids[0])
    one.svids.add(spiffe_id="spiffe://example.org/more")
    said = listed(capsys, one)
    assert said.count("spiffe://example.org/web") == 1
    assert said.index("example.org/web") < said.index("example.org/more")
    assert "spiffe id" in shown(capsys, *identity_show.words(one, NOW))


def test_who_the_template_names_is_no_workload_that_waits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = by_template()
    said = listed(capsys, one)
    assert "spiffe://example.org/ns/shop" in said
    assert "0 held for 1 workload, 0 without" in said
    assert "spiffe://example.org/ns/shop" in shown(capsys, *identity_show.words(one, NOW))
    assert identity_text.to_json(one)["spiffe_id"] == "spiffe://example.org/ns/shop"


# show


def test_one_is_shown_with_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, *identity_show.words(ready(), NOW))
    for part in ("k8s:ns:shop", "k8s:sa:web", "example.com", "namespace", "shop", "internal"):
        assert part in said
    for part in ("10 min 0 s ago", "in 20 min 0 s", "in 50 min 0 s"):
        assert part in said
    assert "because" not in said
    assert "\\n" not in said
    both = [line for line in said.splitlines() if "k8s:ns:shop" in line and "k8s:sa:web" in line]
    assert not both, "one selector a line"


def test_who_waits_is_shown_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, *identity_show.words(waiting(), NOW))
    assert "no registration entry matches" in said
    assert "hint" not in said


def test_what_a_registration_says_cannot_move_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = ready()
    one.svids[0].hint = one.facts["pod"] = one.reason = "[bold]a[/bold] \x1b[2J"
    said = shown(capsys, *identity_show.words(one, NOW))
    assert said.count("[bold]a[/bold] \\x1b[2J") == 3


def test_an_identity_has_stable_keys() -> None:
    said = identity_text.to_json(ready())
    assert said.keys() == KEYS
    assert said["svids"] == [
        {
            "spiffe_id": "spiffe://example.org/web",
            "hint": "internal",
            "not_before": "2026-01-01T11:50:00Z",
            "not_after": "2026-01-01T12:50:00Z",
            "next_rotation": "2026-01-01T12:20:00Z",
        }
    ]
    assert (said["phase"], said["attestation"]) == ("ready", "spire")
    assert identity_text.to_json(waiting()).keys() == KEYS


# The verbs


class Answers:
    """What governd would answer."""

    def __init__(self, *found: Status) -> None:
        self.found = found
        self.asked: list[Any] = []

    def identities(self, path: Path, timeout: float) -> admin_service_pb2.ListIdentitiesResponse:
        self.asked.append((path, timeout))
        return admin_service_pb2.ListIdentitiesResponse(identities=self.found)

    def identity(self, path: Path, workload: str, timeout: float) -> Status:
        self.asked.append((path, workload, timeout))
        return self.found[0]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    made = Answers(ready(), waiting())
    monkeypatch.setattr(connection, "identities", made.identities)
    monkeypatch.setattr(connection, "identity", made.identity)
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(identity, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "names", "code"),
    [
        ([], ["web", "late"], 0),
        (["--exit-code"], ["web", "late"], failure.NO),
        (["--waiting"], ["late"], 0),
        (["--waiting", "--exit-code"], ["late"], failure.NO),
    ],
)
def test_who_waits_can_be_told_apart_by_people_and_programs(
    answers: Answers, arguments: list[str], names: list[str], code: int
) -> None:
    result = run("list", "--json", *arguments)
    assert result.exit_code == code
    for name in ("web", "late"):
        assert (f'"workload": "{name}"' in result.stdout) == (name in names)
    assert run("list", *arguments).exit_code == code


def test_nobody_who_waits_is_no_failure(answers: Answers) -> None:
    answers.found = (ready(), by_template())
    assert run("list", "--exit-code").exit_code == 0


def test_one_is_asked_for_by_name(answers: Answers) -> None:
    result = run("show", "web", "--admin-socket", "/run/a.sock", "--timeout", "2")
    assert result.exit_code == 0
    assert "spiffe://example.org/web" in result.stdout
    assert answers.asked == [(Path("/run/a.sock"), "web", 2.0)]
    assert '"workload": "web"' in run("show", "web", "--json").stdout


@pytest.mark.parametrize("arguments", [["list"], ["show", "web"]])
def test_an_absent_socket_is_named_and_the_code_is_3(arguments: list[str]) -> None:
    result = run(*arguments, "--admin-socket", "/nowhere/admin.sock")
    assert result.exit_code == failure.CANNOT_ASK
    assert "no socket at /nowhere/admin.sock" in result.stderr


@pytest.mark.parametrize("verb", ["list", "show"])
def test_each_verb_has_help_with_examples_exit_codes_and_keys(verb: str) -> None:
    said = run(verb, "--help").stdout
    for part in ("\n  Exit code:\n", "\n  JSON:\n", "\n  Example", f"    governd identity {verb}"):
        assert part in said
