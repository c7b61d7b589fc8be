"""A policy source: the files of one policy, read as a whole or refused as a whole.

Takes paths and bytes, returns values. Every mistake is found in one pass and named with
file and line. Left to others: getting the files (``adapters.policy_directory``), types
and handles (``compiler``).

Invariants:
    * A source without a readable ``manifest.toml`` is refused; so is one in which a file
      that it lists is missing or a policy file is not listed.
    * Policy ids are unique across the source; ``base/`` and ``tenant/`` are governd's.
    * What a tenant's folder says stays within the tenant (``tenancy``).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from governd.errors import PolicyError, Problem, RequestError
from governd.policy import tenancy
from governd.policy.annotations import AnnotationError, read_traits
from governd.policy.bundle import BASE, PolicyRecord, PolicySource
from governd.policy.documents import Documents
from governd.policy.layout import MANIFEST, SCHEMA, digest_of, is_read, owner_of, passed_over
from governd.policy.manifest import Grants, Manifest
from governd.policy.statements import (
    ParsedStatement,
    parse_statements,
    refuse_deep,
    refuse_namespaces,
    split_statements,
)
from governd.policy.tools import ServerFile, read_server
from governd.policy.upstream_rules import mistakes


def read_source(
    files: Mapping[str, bytes], base: str, *, unlisted: Iterable[str] = ()
) -> PolicySource:
    """Reads a policy source.

    Args:
        files: Content by path within the source; other files than ``is_read`` names
            are ignored, unless they must not be passed over (``layout.passed_over``).
        base: The text of governd's base policy.
        unlisted: Paths that the manifest need not list, as those that a test adds.

    Raises:
        PolicyError: With everything that is wrong.
    """
    read = {path: content for path, content in files.items() if is_read(path)}
    documents = Documents(read)
    _check_names(files)
    for path in files.keys() - read:
        if message := passed_over(path):
            documents.problem(path, 0, message)
    if MANIFEST not in documents:
        documents.problem(MANIFEST, 0, "is missing: this is not a policy source, or half of one")
    manifest = documents.toml(MANIFEST, Manifest) if MANIFEST in documents else None
    if manifest is None:
        raise PolicyError(documents.problems)
    source = PolicySource(digest_of(read, base), manifest)
    _check_files(documents, manifest, set(unlisted))
    _Reader(documents, source).read(base)
    documents.check()
    return source


def _check_names(files: Iterable[str]) -> None:
    """A name that is not text could be neither digested nor told to anybody."""
    odd = [path for path in files if not path.isprintable()]
    if odd:
        message = "has a character in its name that is not printable"
        raise PolicyError([Problem(ascii(path)[1:-1], 0, message) for path in sorted(odd)])


def _check_files(documents: Documents, manifest: Manifest, unlisted: set[str]) -> None:
    for message in manifest.overlaps():
        documents.problem(MANIFEST, 0, message)
    for place, message in mistakes(manifest):
        documents.problem_at(MANIFEST, place, message)
    if manifest.files is None:
        return
    listed, present = set(manifest.files), documents.paths() - {MANIFEST} - unlisted
    for path in sorted(listed - present):
        line = documents.line_of(MANIFEST, json.dumps(path))
        documents.problem(MANIFEST, line, f"files: {path} is listed but missing")
    for path in sorted(present - listed):
        documents.problem(path, 0, f"is not listed in files of {MANIFEST}")


class _Reader:
    """Adds what each file says to a source."""

    def __init__(self, documents: Documents, source: PolicySource) -> None:
        self._documents = documents
        self._source = source
        self._tenants = {tenant.name for tenant in source.manifest.tenant}

    def read(self, base: str) -> None:
        self._add_policies(BASE, base, "")
        for path in sorted(self._documents.paths() - {MANIFEST}):
            tenant, name = owner_of(path)
            if tenant and tenant not in self._tenants:
                self._documents.problem(path, 0, f"tenant {tenant} is not in {MANIFEST}")
            else:
                self._add(path, name, tenant)
        self._check_policies()
        self._check_destructive()

    def _add(self, path: str, name: str, tenant: str) -> None:
        if name.endswith(".cedar"):
            self._add_policies(path, self._documents.text(path), tenant)
        elif name == SCHEMA:
            self._add_schema(path)
        elif name == "entities.json":
            self._add_entities(path, tenant)
        elif name == "grants.toml":
            self._add_grants(path, tenant)
        else:
            self._add_server(path)

    def _add_policies(self, path: str, text: str, tenant: str) -> None:
        try:
            parsed = parse_statements(split_statements(path, text))
        except PolicyError as error:
            self._documents.problems.extend(error.problems)
            return
        for ordinal, statement in enumerate(parsed, 1):
            self._add_policy(statement, ordinal, tenant)

    def _add_policy(self, parsed: ParsedStatement, ordinal: int, tenant: str) -> None:
        statement, est = parsed.statement, parsed.est
        try:
            traits = read_traits(_annotations(est), effect=est["effect"])
        except AnnotationError as error:
            self._documents.problem(statement.file, statement.line, f"policy: {error}")
            return
        name = traits.id or f"{statement.file}#{ordinal}"
        if statement.file != BASE and name.startswith(("base/", "tenant/")):
            message = f'policy: @id("{name}"): "base/" and "tenant/" are governd\'s'
            self._documents.problem(statement.file, statement.line, message)
        name = f"tenant/{tenant}/{name}" if tenant else name
        owned = tuple(replace(one, policy_id=name) for one in traits.obligations)
        traits = replace(traits, obligations=owned)
        record = PolicyRecord(name, est["effect"], est, traits, statement, tenant)
        self._source.policies.append(record)

    def _add_schema(self, path: str) -> None:
        text = self._documents.text(path)
        for check in (refuse_deep, refuse_namespaces):
            try:
                check(path, text)
            except PolicyError as error:
                self._documents.problems.extend(error.problems)
        self._source.schema = text

    def _add_entities(self, path: str, tenant: str) -> None:
        entities = self._documents.json(path)
        if entities is None:
            return
        if not isinstance(entities, list):
            self._documents.problem(path, 0, "must be a JSON array of Cedar entities")
            return
        for message in tenancy.entity_problems(self._source.manifest, tenant, entities):
            self._documents.problem(path, 0, message)
        self._source.entities[path] = entities

    def _add_grants(self, path: str, tenant: str) -> None:
        grants = self._documents.toml(path, Grants)
        if grants is None:
            return
        for message in tenancy.grant_problems(self._source.manifest, tenant, grants.grant):
            self._documents.problem(path, 0, message)
        self._source.grants[path] = grants.grant

    def _add_server(self, path: str) -> None:
        value = self._documents.json(path)
        entry = None if value is None else self._documents.model(path, ServerFile, value)
        if entry is None:
            return
        try:
            server, problems = read_server(entry)
        except RequestError as error:
            self._documents.problem(path, self._documents.line_of(path, "spiffe_id"), str(error))
            return
        if server.name in self._source.servers:
            problems.append(f"server: {server.name} is declared by another file, too")
        for message in problems:
            self._documents.problem(path, 0, message)
        self._source.servers[server.name] = server

    def _check_policies(self) -> None:
        """What only the whole can tell of policies."""
        first: dict[str, PolicyRecord] = {}
        for policy in self._source.policies:
            problems = list(
                tenancy.policy_problems(self._source.manifest, policy.tenant, policy.est)
            )
            other = first.setdefault(policy.id, policy).statement
            if other is not policy.statement:
                place = f"{other.file}:{other.line}"
                problems.append(f'policy: @id("{policy.id}"): {place} has the same id')
            for message in problems:
                self._documents.problem(policy.statement.file, policy.statement.line, message)

    def _check_destructive(self) -> None:
        """A grant of a tool that nobody declares is a misspelt one.

        A server that is declared without tools registers its own, which nobody knows yet.
        """
        servers = self._source.servers.values()
        known = {tool.id for server in servers for tool in server.tools.values()}
        open_ended = tuple(f"{server.name}/" for server in servers if not server.tools)
        for path, grants in self._source.grants.items():
            for name in {name for grant in grants for name in grant.destructive} - known:
                if name.startswith(open_ended):
                    continue
                line = self._documents.line_of(path, json.dumps(name))
                message = f"destructive: no tool {name} is declared under tools/"
                self._documents.problem(path, line, message)


def _annotations(est: Mapping[str, Any]) -> dict[str, str]:
    """Annotations by name; one without a value has ``""``."""
    return {name: value or "" for name, value in est.get("annotations", {}).items()}
