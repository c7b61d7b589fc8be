"""governd's two identities from the embedded CA, for development."""

from datetime import datetime

from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.adapters.node_name import node_name
from governd.application.operate import Identities


def embedded_identities(trust_domain: str, now: datetime) -> Identities:
    """The identities to serve and to sign with, of an authority of their own."""
    return identities_of(EmbeddedAuthority(trust_domain, now))


def identities_of(authority: EmbeddedAuthority, node: str = "") -> Identities:
    """The identities to serve and to sign with, named after ``node`` or else this host."""
    node = node_name(node)
    return Identities(
        serving=EmbeddedIdentity.serving(authority, node),
        signing=EmbeddedIdentity.signing(authority, node),
        source="embedded (development)",
    )
