"""Settings: all mistakes at once, each with its place, its key and what was expected."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from governd.config import Config, StaticListener, load, parse
from governd.errors import ConfigError
from governd.identity import SpiffeId

BASE = Path("/etc/governd")
MINIMAL = 'trust_domain = "example.org"\n'
SPIRE = '[identity]\nsource = "spire"\nspire_admin_socket = "/run/spire/admin.sock"\n'
NOTHING: Mapping[str, str] = {}


def read(text: str, environ: Mapping[str, str] = NOTHING) -> Config:
    return parse(text, file="governd.toml", base=BASE, environ=environ)


def mistakes(text: str, environ: Mapping[str, str] = NOTHING) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        read(text, environ)
    return [str(problem) for problem in refusal.value.problems]


def listener(**settings: str) -> str:
    given = {
        "socket": "/run/governd/writer.sock",
        "spiffe_id": "spiffe://example.org/agent/writer",
        **settings,
    }
    return "[[listener]]\n" + "".join(f'{key} = "{value}"\n' for key, value in given.items())


# What a good configuration means


def test_the_trust_domain_alone_is_enough() -> None:
    config = read(MINIMAL)
    assert not config.production
    assert config.listener == ()
    assert config.policy.directory is None
    assert config.limits.message_bytes == 262_144
    assert config.leases.max_seconds == 5
    assert config.metrics.endpoint == ("127.0.0.1", 9464)


def test_every_default_lies_within_its_own_range() -> None:
    dumped = read(MINIMAL).limits.model_dump()
    text = "".join(f"{key} = {value}\n" for key, value in dumped.items())
    assert read(f"{MINIMAL}[limits]\n{text}").limits == read(MINIMAL).limits


def test_what_servers_may_register_is_bounded_unless_configured_otherwise() -> None:
    tools = read(MINIMAL).tools
    assert tools.first_registration == "accept"
    assert (tools.definitions, tools.definition_bytes) == (4096, 65_536)
    assert tools.registration_bytes == 8_388_608
    text = f"{MINIMAL}[tools]\nfirst_registration = 'quarantine'\ndefinitions = 10\n"
    assert (read(text).tools.first_registration, read(text).tools.definitions) == ("quarantine", 10)


def test_a_listener_is_named_by_the_last_segment_of_its_id() -> None:
    first, second = read(MINIMAL + listener() + listener(name="two", socket="b")).listener
    assert (first.name, second.name) == ("writer", "two")
    assert isinstance(first, StaticListener)
    assert first.spiffe_id == SpiffeId.parse("spiffe://example.org/agent/writer")


def test_relative_paths_count_from_the_directory_of_the_file() -> None:
    config = read(MINIMAL + '[policy]\ndirectory = "policy"\n' + listener(socket="x/../a.sock"))
    assert config.policy.directory == BASE / "policy"
    assert config.listener[0].socket == BASE / "x/../a.sock"


def test_the_decision_log_lies_in_the_state_directory_by_default() -> None:
    assert read(f'{MINIMAL}state_directory = "/s"').decision_log.path == Path("/s/decisions.jsonl")
    moved = read(f'{MINIMAL}state_directory = "/s"\n[decision_log]\npath = "d.jsonl"')
    assert moved.decision_log.path == BASE / "d.jsonl"
    assert Config(trust_domain="td").decision_log.path == Path("/var/lib/governd/decisions.jsonl")


def test_settings_that_relax_a_rule_are_told_by_name() -> None:
    assert read(MINIMAL).unsafe_settings() == ()
    relaxed = read(MINIMAL + "[decision_log]\nunsafe_answer_without_log = true")
    assert relaxed.unsafe_settings() == ("decision_log.unsafe_answer_without_log",)


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("", None),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:9464", ("::1", 9464)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_the_metrics_address_has_host_and_port(
    address: str, endpoint: tuple[str, int] | None
) -> None:
    assert read(f'{MINIMAL}[metrics]\naddress = "{address}"').metrics.endpoint == endpoint


@pytest.mark.parametrize(
    ("text", "mode"), [("0660", 0o660), ("600", 0o600), ("0666", 0o666), ("0606", 0o606)]
)
def test_a_socket_mode_is_octal(text: str, mode: int) -> None:
    assert read(MINIMAL + listener(mode=text)).listener[0].mode == mode


def test_sections_are_frozen() -> None:
    config = read(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        config.limits.burst = 1  # type: ignore[misc]  # the point of the test


# What is a mistake, and what is said of it


def test_all_mistakes_come_at_once_each_with_its_line() -> None:
    text = (
        "production = true\n"
        'trust_domain = "Example.org"\n'
        "colour = 1\n"
        "[limits]\n"
        'burst = "3"\n'
        "streams = 0\n"
        "[log]\n"
        'level = "loud"\n'
        "[[listener]]\n"
        'socket = "a.sock"\n'
        'mode = "0777"\n'
    )
    assert [line.split(": ")[:2] for line in mistakes(text, {"GOVERND_DRAIN__GRACE": "1"})] == [
        ["environment", "GOVERND_DRAIN__GRACE"],
        ["governd.toml", "identity.source"],
        ["governd.toml:2", "trust_domain"],
        ["governd.toml:3", "colour"],
        ["governd.toml:5", "limits.burst"],
        ["governd.toml:6", "limits.streams"],
        ["governd.toml:8", "log.level"],
        ["governd.toml:9", "listener[0].attestation"],
        ["governd.toml:9", "listener[0].spiffe_id"],
        ["governd.toml:11", "listener[0].mode"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "trust_domain: expected a value, there is none"),
        ("trust_domain = 1", "trust_domain: expected a valid string, got 1"),
        (
            'trust_domain = "a/b"',
            "trust_domain: expected a trust domain without a path",
        ),
        (f"{MINIMAL}production = 1", "production: expected a valid boolean, got 1"),
        (f"{MINIMAL}limits = 3", "limits: expected a table"),
        (f"{MINIMAL}admin = []", "admin: expected a table"),
        (f"{MINIMAL}listener = 3", "listener: expected an array of tables"),
        (f"{MINIMAL}[listener]\nname = 'x'", "listener: expected an array of tables"),
        (f"{MINIMAL}listener = [1]", "listener[0]: expected a table"),
        (f"{MINIMAL}[limits]\nstream = 1", 'limits.stream: unknown key, did you mean "streams"?'),
        (f"{MINIMAL}[admin]\nx = 1", "admin.x: unknown key, expected one of socket"),
        (
            f"{MINIMAL}[limits]\nburst = true",
            "limits.burst: expected a valid integer, got true",
        ),
        (
            f"{MINIMAL}[limits]\nburst = 1.5",
            "limits.burst: expected a valid integer, got 1.5",
        ),
        (
            f"{MINIMAL}[limits]\nbatch_size = 4097",
            "limits.batch_size: expected less than or equal to 4096, got 4097",
        ),
        (
            f"{MINIMAL}[limits]\nbatch_size = 0x{'f' * 5000}",
            "limits.batch_size: expected less than or equal to 4096",
        ),
        (
            f"{MINIMAL}[limits]\ncalls_per_second = nan",
            "limits.calls_per_second: expected a finite number, got nan",
        ),
        (
            f"{MINIMAL}[limits]\nmessage_bytes = 1024",
            "limits.arguments_bytes: expected no more than limits.message_bytes",
        ),
        (
            f"{MINIMAL}[tools]\nfirst_registration = 'maybe'",
            "tools.first_registration: expected 'accept' or 'quarantine', got 'maybe'",
        ),
        (
            f"{MINIMAL}[tools]\ndefinitions = 0",
            "tools.definitions: expected greater than or equal to 1, got 0",
        ),
        (
            f"{MINIMAL}[log]\ndecisions = 'some'",
            "log.decisions: expected 'all', 'deny' or 'none', got 'some'",
        ),
        (
            f"{MINIMAL}[metrics]\naddress = '127.0.0.1:65536'",
            'metrics.address: expected "host:port", or "" for no endpoint',
        ),
        (f"{MINIMAL}[admin]\nsocket = 3", "admin.socket: expected a path in quotes"),
        (f"{MINIMAL}[admin]\nsocket = ''", "admin.socket: expected an absolute path"),
        (
            f'{MINIMAL}[admin]\nsocket = "a\\u0000b"',
            "admin.socket: expected an absolute path",
        ),
    ],
)
def test_a_mistake_says_its_key_and_what_was_expected(text: str, said: str) -> None:
    (line,) = mistakes(text)
    assert line.partition(": ")[2] == said


@pytest.mark.parametrize("mode", ["0770", "0662x", "0440", "4660", "", "0o660", "٠٦٦٠", "0661"])
def test_a_socket_mode_is_read_and_write_only(mode: str) -> None:
    (line,) = mistakes(MINIMAL + listener(mode=mode))
    assert "listener[0].mode: expected octal digits" in line


def test_a_number_is_no_socket_mode() -> None:
    (line,) = mistakes(MINIMAL + listener() + "mode = 660\n")
    assert "listener[0].mode: expected octal digits" in line


@pytest.mark.parametrize(
    "identity", ["spiffe://example.org", "spiffe://example.org/a/", "https://example.org/a", ""]
)
def test_a_listener_has_the_id_of_a_workload(identity: str) -> None:
    (line,) = mistakes(MINIMAL + listener(spiffe_id=identity, name="x"))
    assert "listener[0].spiffe_id: " in line


@pytest.mark.parametrize("name", ["a b", "a/b", "x" * 65, "a\\n"])
def test_a_listener_has_a_name_fit_for_a_log(name: str) -> None:
    (line,) = mistakes(MINIMAL + listener(name=name))
    assert "listener[0].name: expected" in line or "listener[0].name: string should" in line


def test_production_refuses_static_listeners_even_malformed_ones() -> None:
    production = f"production = true\n{MINIMAL}{SPIRE}"
    refused = 'attestation: expected none that is "static", because production is true'
    first, second, third = mistakes(production + listener() + listener(mode="x", socket="b"))
    assert first == f"governd.toml:6: listener[0].{refused}"
    assert second == f"governd.toml:9: listener[1].{refused}"
    assert third.startswith("governd.toml:12: listener[1].mode: expected octal digits")
    assert read(production).production


def test_two_listeners_share_neither_name_nor_socket() -> None:
    assert mistakes(MINIMAL + listener() + listener()) == [
        'governd.toml:5: listener[1].name: expected a name of its own, listener[0] is "writer" too',
        "governd.toml:6: listener[1].socket: expected a path of its own, listener[0] has it",
    ]


def test_no_listener_takes_the_admin_socket() -> None:
    assert mistakes(MINIMAL + "[admin]\nsocket = 'a'\n" + listener(socket="/etc/governd/a")) == [
        "governd.toml:5: listener[0].socket: expected a path of its own, the admin socket has it"
    ]


def test_a_listener_of_another_trust_domain_is_refused() -> None:
    (line,) = mistakes(MINIMAL + listener(spiffe_id="spiffe://example.org.evil/agent/writer"))
    assert line.endswith(
        'listener[0].spiffe_id: expected an ID of the trust domain, "spiffe://example.org/..."'
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('trust_domain = "a"\nx = = 1', "governd.toml:2: not TOML: "),
        ('trust_domain = "a"\ntrust_domain = "b"', "governd.toml:2: not TOML: "),
        ("x = " + "[" * 100_000, "governd.toml: the values are nested too deeply"),
        ("x = " + "9" * 5000, "governd.toml: not TOML: "),
    ],
    ids=["syntax", "duplicate key", "nesting", "long number"],
)
def test_what_is_not_toml_is_refused_with_its_line(text: str, place: str) -> None:
    (line,) = mistakes(text)
    assert line.startswith(place)


# The environment


def test_the_environment_wins_over_the_file() -> None:
    text = f'{MINIMAL}[limits]\nburst = 1\nstreams = 2\n[log]\nlevel = "info"\n'
    config = read(
        text,
        {
            "GOVERND_TRUST_DOMAIN": "other.org",
            "GOVERND_LIMITS__BURST": "7",
            "GOVERND_LIMITS__CALLS_PER_SECOND": "2",
            "GOVERND_LOG__LEVEL": "debug",
            "GOVERND_POLICY__DIRECTORY": "/policy",
            "GOVERND_DECISION_LOG__UNSAFE_ANSWER_WITHOUT_LOG": "true",
            "PATH": "/bin",
        },
    )
    assert config.trust_domain == "other.org"
    assert (config.limits.burst, config.limits.streams) == (7, 2)
    assert config.limits.calls_per_second == 2.0
    assert config.log.level == "debug"
    assert config.policy.directory == Path("/policy")
    assert config.unsafe_settings()


def test_the_environment_repairs_a_mistake_of_the_file() -> None:
    assert read(f"{MINIMAL}[limits]\nburst = 0", {"GOVERND_LIMITS__BURST": "1"}).limits.burst == 1


def test_listeners_come_from_the_environment_in_the_files_own_form() -> None:
    value = '[{socket = "/a.sock", spiffe_id = "spiffe://example.org/agent/a"}]'
    (only,) = read(MINIMAL + listener(), {"GOVERND_LISTENER": value}).listener
    assert (only.name, only.socket) == ("a", Path("/a.sock"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GOVERND_LIMITS__BURST", "x", "limits.burst: expected a valid integer, got 'x'"),
        ("GOVERND_LIMITS__BURST", "1\nx=2", "limits.burst: expected a valid integer, got '1"),
        ("GOVERND_PRODUCTION", "yes", "production: expected a valid boolean, got 'yes'"),
        ("GOVERND_POLICY__DIRECTORY", "p", "policy.directory: expected an absolute path"),
        ("GOVERND_LISTENER", "[{}]", "listener[0].socket: expected a value, there is none"),
        ("GOVERND_LIMITS__BURSTS", "1", "expected the name of a setting"),
        ("GOVERND_LIMITS", "1", "expected the name of a setting"),
        ("GOVERND_PRODUCTON", "true", "expected the name of a setting"),
        ("GOVERND_LIMITS__BURST__X", "1", "expected the name of a setting"),
        ("GOVERND_", "1", "expected the name of a setting"),
    ],
)
def test_a_mistake_in_the_environment_names_its_variable(name: str, value: str, said: str) -> None:
    assert any(
        line.startswith(f"environment: {name}: {said}") for line in mistakes(MINIMAL, {name: value})
    )


def test_variables_of_clients_and_of_kubernetes_are_not_ours() -> None:
    read(
        MINIMAL,
        {
            "GOVERND_SOCKET": "/governd/governd.sock",
            "GOVERND_PORT": "tcp://10.0.0.1:9464",
            "GOVERND_SERVICE_HOST": "10.0.0.1",
            "GOVERND_SERVICE_PORT_METRICS": "9464",
            "GOVERND_METRICS_PORT_9464_TCP_ADDR": "10.0.0.1",
        },
    )


def test_the_environment_alone_is_enough() -> None:
    assert load(None, {"GOVERND_TRUST_DOMAIN": "example.org"}).trust_domain == "example.org"
    with pytest.raises(ConfigError, match=r"^environment: trust_domain: expected a value"):
        load(None, {})


# The file


def test_a_file_is_read_and_named_in_its_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "governd.toml"
    file.write_text(MINIMAL + '[policy]\ndirectory = "p"\n')
    assert load(file, {}).policy.directory == tmp_path / "p"
    file.write_text("\nproduction = 0\n")
    with pytest.raises(ConfigError) as refusal:
        load(file, {})
    assert {(problem.file, problem.line) for problem in refusal.value.problems} == {
        (str(file), 0),
        (str(file), 2),
    }


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a readable file: no such file or directory"):
        load(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigError, match="expected a readable file: is a directory"):
        load(tmp_path, {})


def test_a_file_in_another_encoding_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "governd.toml"
    file.write_bytes(b'\nx = "\xff"')
    with pytest.raises(ConfigError, match=r"governd\.toml:2: expected UTF-8"):
        load(file, {})


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "governd.toml"
    file.write_bytes(b"#" * 1_048_577)
    with pytest.raises(ConfigError, match="expected a file of at most 1048576 bytes"):
        load(file, {})


# Properties

KEYS = st.sampled_from([*Config.model_fields, "socket", "spiffe_id", "burst", "x", "path"])
LEAVES = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("spiffe://td/a")
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            escaped = "".join(f"\\U{ord(letter):08x}" for letter in value)
            return f'"{escaped}"'
        case _:
            return repr(value)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.dictionaries(KEYS, st.text(max_size=8)))
def test_any_toml_gives_settings_or_named_mistakes(
    document: dict[str, object], variables: dict[str, str]
) -> None:
    text = "".join(f"{key} = {toml(value)}\n" for key, value in document.items())
    environ = {f"GOVERND_{key.upper()}": value for key, value in variables.items()}
    tomllib.loads(text)
    settings_or_mistakes(text, environ)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
@example("[[[[")
@example("[limits]\n[limits]")
@example("\x00")
def test_any_text_gives_settings_or_named_mistakes(text: str) -> None:
    settings_or_mistakes(text, {})
    settings_or_mistakes(MINIMAL + text, {})


def settings_or_mistakes(text: str, environ: Mapping[str, str]) -> None:
    try:
        config = read(text, environ)
    except ConfigError as error:
        assert error.problems
        assert all(0 <= problem.line <= text.count("\n") + 1 for problem in error.problems)
        assert all(problem.message == problem.message.rstrip(".") for problem in error.problems)
    else:
        assert paths_of(config)
        assert all(path.is_absolute() for path in paths_of(config))


def paths_of(section: BaseModel) -> list[Path]:
    found = [value for _, value in section if isinstance(value, Path)]
    inner = [value for _, value in section if isinstance(value, BaseModel)]
    return found + [path for part in inner for path in paths_of(part)]
