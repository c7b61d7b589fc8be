"""governd's two identities from the embedded CA, for development."""

import re
import socket
from datetime import datetime

from governd.adapters.embedded_ca import EmbeddedAuthority, EmbeddedIdentity
from governd.application.operate import Identities


def embedded_identities(trust_domain: str, now: datetime) -> Identities:
    """The identities to serve and to sign with, named after this host."""
    authority = EmbeddedAuthority(trust_domain, now)
    # A host's name may hold what a path segment of a SPIFFE ID may not.
    node = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()) or "node"
    return Identities(
        serving=EmbeddedIdentity.serving(authority, node),
        signing=EmbeddedIdentity.signing(authority, node),
        source="embedded (development)",
    )
