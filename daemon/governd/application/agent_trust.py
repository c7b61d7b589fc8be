"""Who is trusted with agents: what the policy in force says, as the domain's values."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from governd.identity.verification import Verifier
from governd.kya import registered_agent
from governd.kya.attestation_check import AttestationCheck, AttesterRule, Expected
from governd.kya.binding import BindingRule
from governd.kya.card_keys import CardKeys, PinnedKey
from governd.kya.card_signature import Trust
from governd.kya.kept_agent import KeptAgent
from governd.kya.level import Level
from governd.kya.registered_agent import RegisteredAgent
from governd.policy.trusted import Attester, CardKey, CardRule, Kya


@dataclass(frozen=True, slots=True)
class AgentTrust:
    """Whose word on agents counts, as a policy source's ``[kya]`` says.

    Attributes:
        keys: Of providers.
        rules: Which cards are whose.
        attesters: Whose attestations count.
    """

    keys: CardKeys
    rules: tuple[BindingRule, ...]
    attesters: tuple[AttesterRule, ...]

    @classmethod
    def of(cls, kya: Kya) -> Self:
        """What a policy source says.

        Raises:
            ValueError: A key is none that cards are signed with.
        """
        return cls(
            CardKeys(map(_key, kya.key)),
            tuple(map(_rule, kya.card)),
            tuple(map(_attester, kya.attester)),
        )

    def assess(self, kept: KeptAgent, verifier: Verifier, now: datetime) -> RegisteredAgent:
        """What is known of an agent. Takes a millisecond and more: call it in a thread.

        Args:
            kept: What it presented.
            verifier: Knows the trust bundles.
            now: The time to verify for, in UTC.
        """
        checked = None
        if kept.attestation:
            expected = Expected(kept.spiffe_id, kept.certificates, kept.card.digest)
            checked = AttestationCheck(verifier, self.attesters).check(
                kept.attestation, expected, now
            )
        trust = Trust(self.keys, verifier, kept.spiffe_id, now)
        return registered_agent.assess(kept, trust, self.rules, checked)


def _key(key: CardKey) -> PinnedKey:
    jwk = json.dumps(key.jwk.members()).encode()
    return PinnedKey.parse(key.provider, jwk, not_after=key.not_after)


def _rule(rule: CardRule) -> BindingRule:
    return BindingRule(rule.agents, rule.provider or "", rule.name or "", frozenset(rule.urls))


def _attester(rule: Attester) -> AttesterRule:
    return AttesterRule(rule.spiffe_id, Level(rule.max_level), rule.agents or "")
