"""Requests over HTTPS to where policy says, as far as that may be.

Where a policy names an address, governd asks there: so an address must not lead to what only
governd can reach (OWASP SSRF prevention). A name is resolved once, each of its addresses is
judged, and the connection goes to one that was: a name that changes meanwhile changes
nothing.

Promises:
    * Nothing is redirected, no proxy of the environment is asked, no cookie is kept and no
      credential is added.
    * One host's name server that is silent has no other host wait (``host_names``).
    * An address that is not public is refused unless the configuration lists its network.
    * The certificate is the one of the name in the URI, whatever the address.
    * An answer has a size and a time, whatever the server sends, and however slowly.
    * Each request has its own connection: none verified for one name serves another.
    * What is sent is in no error, nor in what an error refers to.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import httpx2

from governd.adapters.host_names import Address, HostNames
from governd.application.issuer_ports import (
    IssuerAwayError,
    LargeAnswerError,
    NoAnswerError,
    NotAskedError,
)
from governd.identity.secret import Secret

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_State: TypeAlias = tuple[tuple[int, ...], ...]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC: tuple[Network, ...] = (
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4, withdrawn (RFC 7526)
    ipaddress.IPv6Network("fec0::/10"),  # site-local (RFC 3879)
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637)
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of a network's own (RFC 8215)
    ipaddress.IPv6Network("5f00::/16"),  # segments of a network's routing (RFC 9602)
)
"""What ``ipaddress`` takes for public, in some of its versions."""
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol)
_HEADERS = {"accept-encoding": "identity", "user-agent": "governd"}


class Reach(NamedTuple):
    """To where may be asked.

    Attributes:
        networks: Of addresses that are not public, those that are all right.
        ca_file: Authorities that certify issuers; ``None`` for the system's.
        seconds: For all of one request, where that does not state its own.
        unsafe_http: Whether ``http`` is all right, as policy allows it on this machine.
    """

    networks: tuple[Network, ...] = ()
    ca_file: Path | None = None
    seconds: float = 5.0
    unsafe_http: bool = False


class Wanted(NamedTuple):
    """One request.

    Attributes:
        uri: To where.
        accept: Which types of answers.
        max_bytes: Of the answer's body.
        seconds: For all of it.
        body: What is posted; ``None`` to get a document, where only a 200 is an answer.
        content_type: Of the body.
    """

    uri: str
    accept: str
    max_bytes: int
    seconds: float
    body: Secret | None = None
    content_type: str = ""


class Received(NamedTuple):
    """One answer.

    Attributes:
        status: Of HTTP.
        headers: Of the answer, by any case.
        body: As it came.
    """

    status: int
    headers: httpx2.Headers
    body: bytes


class GuardedClient:
    """Sends requests, each by itself."""

    def __init__(self, reach: Reach) -> None:
        """Takes to where; opens nothing."""
        self._reach = reach
        self._names = HostNames()
        self._trust: tuple[_State, ssl.SSLContext] | None = None

    async def send(self, wanted: Wanted) -> Received:
        """What is answered.

        Raises:
            NotAskedError: It may not be asked there.
            NoAnswerError: The answer is larger than may be, encoded, or no document.
            IssuerAwayError: There is no answer, or not in time.
        """
        try:
            async with asyncio.timeout(wanted.seconds):
                return await self._send(httpx2.URL(wanted.uri), wanted)
        except (TimeoutError, httpx2.TimeoutException):
            problem = IssuerAwayError(f"does not answer within {wanted.seconds:.2g} s", sent=True)
        except httpx2.HTTPError as error:
            problem = _problem(error)
        except (OSError, UnicodeError, httpx2.InvalidURL) as error:
            problem = IssuerAwayError(f"cannot be asked: {type(error).__name__}")
        # Not within a handler: the error there has the request, and the request its body.
        raise problem

    async def _send(self, url: httpx2.URL, wanted: Wanted) -> Received:
        if url.scheme != "https" and not self._reach.unsafe_http:
            message = "http is not allowed: state https, or issuers.unsafe_http in development"
            raise NotAskedError(message)
        trusted = await self._trusted()
        # Each step has a limit, too: cancelled from outside, a handshake leaves its socket open.
        step = wanted.seconds / 2
        async with httpx2.AsyncClient(verify=trusted, trust_env=False, timeout=step) as client:
            problem: httpx2.TransportError | None = None
            for address in await self._addresses(url):
                try:
                    return await _exchange(client, url, address, wanted)
                except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                    problem = error
            raise problem or httpx2.ConnectError("no address")

    async def _trusted(self) -> ssl.SSLContext:
        """Who certifies servers, as the files say now. To read them takes a while."""
        state = _state(self._reach.ca_file)
        if self._trust is None or self._trust[0] != state:
            self._trust = state, await asyncio.to_thread(_context, self._reach.ca_file)
        return self._trust[1]

    async def _addresses(self, url: httpx2.URL) -> Sequence[Address]:
        """Where a name leads, as far as it may."""
        addresses = await self._names.addresses(url.host)
        allowed = [one for one in addresses if is_allowed(one, self._reach.networks)]
        if not allowed:
            message = "has an address that is not public, in none of issuers.networks"
            raise NotAskedError(message)
        return allowed


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether it is public, or in one of the networks.

    Of an IPv6 address that stands for an IPv4 one, that counts. A NAT64 whose prefix is the
    network's own choice, other than that of RFC 6052 or RFC 8215, cannot be told.
    """
    real = unwrapped(address)
    if any(real in network for network in networks):
        return True
    denied = real.is_multicast or real.is_reserved or any(real in one for one in _NOT_PUBLIC)
    return real.is_global and not denied


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def _exchange(
    client: httpx2.AsyncClient, url: httpx2.URL, address: Address, wanted: Wanted
) -> Received:
    headers = {**_HEADERS, "host": url.netloc.decode("ascii"), "accept": wanted.accept}
    if wanted.body is not None:
        headers["content-type"] = wanted.content_type
    request = client.build_request(
        "GET" if wanted.body is None else "POST",
        url.copy_with(host=str(address)),
        headers=headers,
        content=None if wanted.body is None else wanted.body.reveal(),
        extensions={"sni_hostname": url.host},
    )
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        return await _read(response, wanted)
    finally:
        await response.aclose()


async def _read(response: httpx2.Response, wanted: Wanted) -> Received:
    status = response.status_code
    if wanted.body is None and status != httpx2.codes.OK:
        message = f"answers {status}"
        raise NoAnswerError(message, status)
    if response.headers.get("content-encoding", "identity") != "identity":
        message = "answers in an encoding that was not asked for"
        raise NoAnswerError(message)
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > wanted.max_bytes:
            message = f"answers with more than {wanted.max_bytes} bytes"
            raise LargeAnswerError(message)
    return Received(status, response.headers, bytes(content))


def _state(ca_file: Path | None) -> _State:
    """What is another one when authorities are.

    Raises:
        OSError: There is no such file.
    """
    system = ssl.get_default_verify_paths()
    paths = [ca_file] if ca_file else [Path(one) for one in system[:2] if one]
    found = (path.stat() for path in paths)
    return tuple((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _problem(error: httpx2.HTTPError) -> IssuerAwayError:
    # Its words may have what the server sent; the type says enough.
    words = f"cannot be asked: {type(error).__name__}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NotAskedError(f"{words}: {cause.verify_message}")
        cause = cause.__cause__ or cause.__context__
    return IssuerAwayError(words, sent=not isinstance(error, _NOT_SENT))
