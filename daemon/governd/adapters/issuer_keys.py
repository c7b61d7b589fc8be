"""Fetches documents with issuers' keys over HTTPS, from where it may.

Where a policy names an address, governd asks there: so an address must not lead to what only
governd can reach (OWASP SSRF prevention). A name is resolved once, each of its addresses is
judged, and the connection goes to one that was: a name that changes meanwhile changes
nothing.

Promises:
    * Nothing but a 200 is an answer; nothing is redirected, and no proxy of the environment
      is asked.
    * An address that is not public is refused unless the configuration lists its network.
    * The certificate is the one of the name in the URI, whatever the address.
    * An answer has a size and a time, whatever the server sends, and however slowly.
    * Each fetch has its own connection: none verified for one name serves another.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias

import httpx2

from governd.application.issuer_keys import IssuerAwayError
from governd.delegation.issuer_key_set import MAX_DOCUMENT_BYTES

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HEADERS = {
    "accept": "application/jwk-set+json, application/json",
    "accept-encoding": "identity",
    "user-agent": "governd",
}


class Reach(NamedTuple):
    """From where keys may be fetched.

    Attributes:
        networks: Of addresses that are not public, those that are all right.
        ca_file: Authorities that certify issuers; ``None`` for the system's.
        seconds: For all of one fetch.
        unsafe_http: Whether ``http`` is all right, as policy allows it on this machine.
    """

    networks: tuple[Network, ...] = ()
    ca_file: Path | None = None
    seconds: float = 5.0
    unsafe_http: bool = False


class IssuerKeyClient:
    """Fetches documents; implements ``KeySource``."""

    def __init__(self, reach: Reach) -> None:
        """Takes from where; opens nothing."""
        self._reach = reach

    async def fetch(self, uri: str) -> bytes:
        """The document at an address.

        Raises:
            IssuerAwayError: It cannot be had, or may not be fetched from there.
        """
        try:
            async with asyncio.timeout(self._reach.seconds):
                return await self._fetch(httpx2.URL(uri))
        except (TimeoutError, httpx2.TimeoutException):
            _refuse(f"does not answer within {self._reach.seconds:g} s")
        except httpx2.HTTPError as error:
            # Its words may have what the server sent; the type says enough.
            _refuse(f"cannot be asked: {type(error).__name__}{_of_tls(error)}")
        except (OSError, UnicodeError, httpx2.InvalidURL) as error:
            _refuse(f"cannot be asked: {type(error).__name__}")

    async def _fetch(self, url: httpx2.URL) -> bytes:
        if url.scheme != "https" and not self._reach.unsafe_http:
            _refuse("http is not allowed: state https, or issuers.unsafe_http in development")
        # Each time anew: a file of authorities may be another by now. That takes a while.
        trusted = await asyncio.to_thread(_trusted, self._reach.ca_file)
        # Each step has a limit, too: cancelled from outside, a handshake leaves its socket open.
        step = self._reach.seconds / 2
        async with httpx2.AsyncClient(verify=trusted, trust_env=False, timeout=step) as client:
            problem: httpx2.TransportError | None = None
            for address in await self._addresses(url):
                try:
                    return await _get(client, url, address)
                except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                    problem = error
            raise problem or httpx2.ConnectError("no address")

    async def _addresses(self, url: httpx2.URL) -> Sequence[Address]:
        """Where a name leads, as far as it may."""
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(one[4][0]) for one in dict.fromkeys(found)]
        allowed = [one for one in addresses if self._is_allowed(one)]
        if not allowed:
            _refuse("has an address that is not public, in none of issuers.networks")
        return allowed

    def _is_allowed(self, address: Address) -> bool:
        real = unwrapped(address)
        if any(real in network for network in self._reach.networks):
            return True
        return real.is_global and not real.is_multicast and not real.is_reserved


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def _get(client: httpx2.AsyncClient, url: httpx2.URL, address: Address) -> bytes:
    request = client.build_request(
        "GET",
        url.copy_with(host=str(address)),
        headers={**_HEADERS, "host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.host},
    )
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        return await _read(response)
    finally:
        await response.aclose()


async def _read(response: httpx2.Response) -> bytes:
    if response.status_code != httpx2.codes.OK:
        _refuse(f"answers {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        _refuse("answers in an encoding that was not asked for")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > MAX_DOCUMENT_BYTES:
            _refuse(f"answers with more than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(content)


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _of_tls(error: BaseException) -> str:
    """What is wrong with the server's certificate, where that is what is wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f": {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return ""


def _refuse(why: str) -> NoReturn:
    raise IssuerAwayError(why) from None
