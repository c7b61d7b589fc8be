"""The settings as the command line loads them."""

from collections.abc import Mapping
from pathlib import Path

from governd.cli.fast_path import CONFIG_VARIABLE
from governd.cli.socket_path import ADMIN_SOCKET_VARIABLE
from governd.config import Config, load

_OURS = frozenset({CONFIG_VARIABLE, ADMIN_SOCKET_VARIABLE})
"""Variables of the command line, which would be mistakes as names of settings."""


def load_settings(config_file: str | None, environ: Mapping[str, str]) -> Config:
    """Reads all settings.

    Args:
        config_file: Path of the TOML file; ``None`` for the environment alone.
        environ: The environment.

    Raises:
        ConfigError: With every mistake.
    """
    variables = {name: value for name, value in environ.items() if name not in _OURS}
    return load(Path(config_file) if config_file else None, variables)
