"""The section ``tokens``: how often is asked, how much is kept, and with which keys."""

from pathlib import Path

import pytest

from governd.config import ClientKeyFile, Config, parse
from governd.errors import ConfigError

KEY = '[[tokens.client_key]]\nname = "corp"\nfile = "/etc/governd/corp.pem"\n'


def config(text: str = "", **environ: str) -> Config:
    return parse(
        f'trust_domain = "example.org"\n{text}',
        file="governd.toml",
        base=Path("/etc/governd"),
        environ=environ,
    )


def mistake(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        config(text)
    (problem,) = raised.value.problems
    return str(problem)


def test_it_need_not_be_there() -> None:
    found = config().tokens
    assert (found.cache_entries, found.negative_seconds, found.timeout_seconds) == (4096, 2, 10)
    assert (found.retries, found.breaker_failures, found.breaker_seconds) == (2, 5, 10)
    assert found.client_key == ()


def test_keys_are_files_beside_the_configuration() -> None:
    text = '[[tokens.client_key]]\nname = "a"\nfile = "a.pem"\nalgorithm = "PS256"\n'
    assert config(f"[tokens]\nretries = 0\n{KEY}{text}").tokens.client_key == (
        ClientKeyFile(name="corp", file=Path("/etc/governd/corp.pem")),
        ClientKeyFile(name="a", file=Path("/etc/governd/a.pem"), algorithm="PS256"),
    )


def test_the_environment_may_name_them() -> None:
    found = config(GOVERND_TOKENS__CLIENT_KEY='[{name = "corp", file = "/k.pem"}]').tokens
    assert found.client_key == (ClientKeyFile(name="corp", file=Path("/k.pem")),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tokens]\nretries = 6", "governd.toml:3: tokens.retries: expected less than or equal"),
        ("[tokens]\ncache = 1", "governd.toml:3: tokens.cache: unknown key"),
        ("[tokens]\nclient_key = 1", "governd.toml:3: tokens.client_key: expected an array of"),
        (f'{KEY}files = "x"', "governd.toml:5: tokens.client_key[0].files: unknown key, did you m"),
        (f'{KEY}algorithm = "none"', "governd.toml:5: tokens.client_key[0].algorithm: expected"),
        (f"{KEY}{KEY}", 'expected names of their own, "corp" comes twice'),
        (f"{KEY}{KEY.replace('corp', 'A b', 1)}", "governd.toml:6: tokens.client_key[1].name"),
        ('[[tokens.client_key]]\nname = "corp"', "tokens.client_key[0].file: expected a value"),
    ],
)
def test_a_mistake_has_its_place(text: str, said: str) -> None:
    assert said in mistake(text)
