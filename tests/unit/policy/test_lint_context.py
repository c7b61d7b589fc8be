"""A policy that waits for what can never be is told."""

import pytest

from governd.policy.lint import lint
from tests.policies import ALICE, read

ISSUER = """
[[issuer]]
name = "corp"
issuer = "https://idp.example"
audiences = ["governd"]
kinds = ["id_token"]
jwks_uri = "https://idp.example/keys"
"""
SIGNERS = '[[delegation.signer]]\nspiffe_id = "spiffe://example.org/governd/signer"\n'


def said(condition: str, **parts: str) -> list[str]:
    text = f'@id("x") forbid (principal is Agent, action, resource) when {{ {condition} }};'
    found = [one for one in lint(read(text, **parts)) if one.file.startswith("policies/")]
    return [one.message.removeprefix("policy: ") for one in found]


@pytest.mark.parametrize(
    "condition",
    [
        "context has delegation && context.delegation.depth > 2",
        'context has delegation.user && context.delegation.user in Group::"revoked"',
        "context.kya_level < 2 && context.delegated && context.args_undeclared",
        "context has args",
        'context has kya && context.kya.skills.contains("refunds")',
        f'context has delegation && context.delegation.user == User::"{ALICE}"',
    ],
)
def test_what_there_is_may_be_looked_for(condition: str) -> None:
    assert said(condition, manifest=ISSUER) == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            "context has delegations",
            "looks for context.delegations, which is never there; is it delegation?",
        ),
        (
            "context has user && [true].contains(context has user)",
            "looks for context.user, which is never there",
        ),
        (
            "context has delegation && context.delegation has scope",
            "looks for context.delegation.scope, which is never there; is it scopes?",
        ),
        (
            "context has kya && context.kya has skill",
            "looks for context.kya.skill, which is never there; is it skills?",
        ),
        (
            "context has delegation.usr",
            "looks for context.delegation.usr, which is never there; is it user?",
        ),
    ],
)
def test_what_there_never_is_is_told(condition: str, message: str) -> None:
    assert said(condition) == [message]


def test_an_extension_may_have_members_of_its_own() -> None:
    schema = (
        "entity Repo; action push appliesTo"
        " { principal: [Agent], resource: [Repo], context: { branch?: String } };"
    )
    assert said("context has branch", schema=schema) == []


def test_a_user_of_no_issuer_is_nobody() -> None:
    about = 'context has delegation && context.delegation.user == User::"{}"'
    wrong = "https://idp.exmple"
    assert said(about.format("alice"), manifest=ISSUER) == [
        'User::"alice" is nobody: users are "<issuer>#<subject>"'
    ]
    assert said(about.format(f"{wrong}#alice"), manifest=ISSUER) == [
        f'User::"{wrong}#alice" is nobody: no [[issuer]] is {wrong}; is it https://idp.example?'
    ]
    assert said(about.format("https://other#alice"), manifest=SIGNERS) == []


def test_a_listed_user_of_no_issuer_is_nobody() -> None:
    entities = [{"uid": {"type": "User", "id": one}} for one in (ALICE, "bob")]
    found = [
        one.message
        for one in lint(read(entities=entities, manifest=ISSUER))
        if one.file == "entities.json"
    ]
    assert found == ['User::"bob" is nobody: users are "<issuer>#<subject>"']
