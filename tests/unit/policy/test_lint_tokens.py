"""A policy about an upstream, scope or service that nothing has is told."""

import pytest

from governd.policy.lint import lint
from tests.policies import read
from tests.upstreams import CRM, UPSTREAMS

SERVICE = f'ExternalService::"{CRM}"'


def said(condition: str, resource: str = "resource", action: str = "token/exchange") -> list[str]:
    text = (
        f'@id("x") forbid (principal is Agent, action == Action::"{action}", {resource})'
        f" when {{ {condition} }};"
    )
    found = lint(read(text, manifest=UPSTREAMS))
    return [
        one.message.removeprefix("policy: ") for one in found if one.file.startswith("policies/")
    ]


@pytest.mark.parametrize(
    "condition",
    [
        'context has token && context.token.upstream == "crm"',
        'context has token && ["crm", "mail"].contains(context.token.upstream)',
        'context has token.scopes && context.token.scopes.contains("write")',
        'context has token && ["read", "post"].containsAll(context.token.scopes)',
        "context has token && context.token.for_user",
        f"resource == {SERVICE}",
        'context has delegation && context.delegation.scopes.contains("anything")',
    ],
)
def test_what_there_is_may_be_named(condition: str) -> None:
    assert said(condition) == []
    assert said(condition, f"resource == {SERVICE}") == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            'context has token && context.token.upstream == "crn"',
            "names the upstream crn, which is not in manifest.toml; is it crm?",
        ),
        (
            'context has token && ["crm", "x1"].contains(context.token.upstream)',
            "names the upstream x1, which is not in manifest.toml",
        ),
        (
            'context has token && "x1" == context.token.upstream',
            "names the upstream x1, which is not in manifest.toml",
        ),
        (
            'context has token && context.token.scopes.containsAny(["read", "wirte"])',
            "names the scope wirte, which no upstream has; is it write?",
        ),
        (
            f'[{SERVICE}, ExternalService::"https://crm.example/mpc"].contains(resource)',
            f'names ExternalService::"https://crm.example/mpc", which no upstream is; is it {CRM}?',
        ),
        (
            "context has token && context.token has for_users",
            "looks for context.token.for_users, which is never there; is it for_user?",
        ),
        ("context has tokens", "looks for context.tokens, which is never there; is it token?"),
    ],
)
def test_what_nothing_has_is_told(condition: str, message: str) -> None:
    assert said(condition) == [message]


def test_a_service_in_the_scope_is_looked_at_too() -> None:
    other = 'resource == ExternalService::"https://crm.example"'
    assert said("true", other) == [
        f'names ExternalService::"https://crm.example", which no upstream is; is it {CRM}?'
    ]
    assert said("true", other, "http/request") == []


def warned(text: str, **replaced: str) -> list[str]:
    for name, other in replaced.items():
        text = text.replace(f'name = "{name}"\n', f'name = "{name}"\n{other}\n')
    found = (one for one in lint(read(manifest=text)) if one.file == "manifest.toml")
    return [one.message for one in found if not one.message.startswith("files: ")]


def test_who_acts_for_a_user_without_being_named_is_told() -> None:
    assert warned(UPSTREAMS) == []
    unsafe = warned(UPSTREAMS, mail='actor = "unsafe_none"')
    assert unsafe == ['upstream: mail: actor: "unsafe_none": nothing says who acts for the user']


def test_a_server_that_no_upstream_names_is_told() -> None:
    other = '[[authorization_server]]\nname = "idle"\nissuer = "https://idle.example"\n'
    (message,) = warned(f'{UPSTREAMS}{other}client_authentication = "jwt-spiffe"\n')
    assert message == "authorization_server: no upstream names idle"


def test_an_identity_provider_is_named() -> None:
    jag = (
        '[[authorization_server]]\nname = "idp"\nissuer = "https://idp.example"\n'
        'client_authentication = "jwt-spiffe"\n'
        '[[upstream]]\nname = "wiki"\naudience = "wiki"\nauthorization_server = "corp"\n'
        'grant = "id-jag"\nidentity_provider = "idp"\n'
    )
    assert warned(UPSTREAMS + jag) == []
