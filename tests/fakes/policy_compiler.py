"""A policy compiler without a process.

Implements ``governd.application.ports.PolicyCompilerPort``. A test counts what was compiled,
or sets ``fault`` and compiling raises it.
"""

from collections.abc import Mapping

from governd.policy.compiled import CompiledPolicy
from governd.policy.compiler import compile_policy
from governd.policy.layout import known_digest
from governd.policy.source import read_source
from tests.policies import base, schema_text


class FakePolicyCompiler:
    """Compiles in the caller's own process.

    Attributes:
        compiled: How often it was asked to compile.
        fault: What compiling raises, in place of its result.
    """

    def __init__(self) -> None:
        """Has compiled nothing yet."""
        self.compiled = 0
        self.fault: Exception | None = None

    def digest(self, files: Mapping[str, bytes]) -> str:
        """The digest that the compiled policy will have; ``""`` where that cannot be told."""
        return known_digest(files, base())

    async def compile(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        """The policy in the files.

        Raises:
            PolicyError: The files are no good policy.
        """
        self.compiled += 1
        if self.fault is not None:
            raise self.fault
        return compile_policy(read_source(files, base()), schema_text())
