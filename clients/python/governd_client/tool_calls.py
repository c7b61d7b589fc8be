"""What both clients say of lists: which entries to show, and what a server offers."""

from collections.abc import Sequence
from typing import Final

from governd_client.channel import FILTER_TOOLS, REGISTER_TOOLS, AsyncPort, Port
from governd_client.definitions import Definition, Kind, RegistrationResult, registration_messages
from governd_client.evidence import Evidence
from governd_client.filtering import Filtered, ListPhase, filter_request
from governd_client.terms import Terms

REGISTRATION_TIMEOUT_SECONDS: Final = 10.0


class ToolCalls:
    """ToolService, for the synchronous client."""

    _port: Port
    _terms: Terms

    def filter_tools(
        self,
        server: str,
        names: Sequence[str],
        *,
        kind: Kind = Kind.TOOL,
        subject: str | None = None,
        phase: ListPhase = ListPhase.CALL,
        digests: Sequence[str] | None = None,
        evidence: Evidence | None = None,
        timeout: float | None = None,
        traceparent: str | None = None,
    ) -> Filtered:
        """Asks which entries of a list a subject may see.

        An entry is hidden only if its call would be denied whatever the arguments are. The
        answer is not to be shown to anybody else.

        Args:
            server: The name under which the policy declares the MCP server.
            names: What is listed, in its order: names, of resources their URIs.
            kind: What they are.
            subject: SPIFFE ID of whom the list is for; only for an MCP server's own list.
                ``None`` for this workload.
            phase: For which moment of the subject's work.
            digests: Of what is listed, one for each name, ``""`` where there is none. An
                entry whose digest is not that of the definition in force is hidden.
            evidence: Shows in whose name the subject is to see the list.
            timeout: Seconds, retries and waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            GoverndError: There is no answer: nothing may be shown.
        """
        request = filter_request(
            server, names, kind=kind, subject=subject, phase=phase, digests=digests
        )
        if evidence is not None:
            request.evidence.CopyFrom(evidence.to_proto())
        answer = self._port.call(FILTER_TOOLS, request, self._terms.of_call(timeout, traceparent))
        return Filtered.from_proto(answer, len(request.definitions))

    def register_tools(
        self,
        definitions: Sequence[Definition],
        *,
        server: str = "",
        timeout: float = REGISTRATION_TIMEOUT_SECONDS,
        traceparent: str | None = None,
    ) -> RegistrationResult:
        """Registers everything that this MCP server offers, in place of what it did before.

        Args:
            definitions: All of it, in the order in which the server lists it.
            server: The name under which the policy declares this server; needed only where
                it declares several with this workload's SPIFFE ID.
            timeout: Seconds, waiting for governd included. It is not tried again.
            traceparent: W3C trace context.

        Raises:
            GoverndError: Nothing was registered, or it is not known whether it was.
        """
        messages = list(registration_messages(definitions, server))
        terms = self._terms.of_call(timeout, traceparent)
        return RegistrationResult.from_proto(self._port.send(REGISTER_TOOLS, messages, terms))


class AsyncToolCalls:
    """ToolService, for the asynchronous client."""

    _port: AsyncPort
    _terms: Terms

    async def filter_tools(
        self,
        server: str,
        names: Sequence[str],
        *,
        kind: Kind = Kind.TOOL,
        subject: str | None = None,
        phase: ListPhase = ListPhase.CALL,
        digests: Sequence[str] | None = None,
        evidence: Evidence | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
        traceparent: str | None = None,
    ) -> Filtered:
        """Asks which entries of a list a subject may see.

        An entry is hidden only if its call would be denied whatever the arguments are. The
        answer is not to be shown to anybody else.

        Args:
            server: The name under which the policy declares the MCP server.
            names: What is listed, in its order: names, of resources their URIs.
            kind: What they are.
            subject: SPIFFE ID of whom the list is for; only for an MCP server's own list.
                ``None`` for this workload.
            phase: For which moment of the subject's work.
            digests: Of what is listed, one for each name, ``""`` where there is none. An
                entry whose digest is not that of the definition in force is hidden.
            evidence: Shows in whose name the subject is to see the list.
            timeout: Seconds, retries and waiting for governd included.
            traceparent: W3C trace context.

        Raises:
            GoverndError: There is no answer: nothing may be shown.
        """
        request = filter_request(
            server, names, kind=kind, subject=subject, phase=phase, digests=digests
        )
        if evidence is not None:
            request.evidence.CopyFrom(evidence.to_proto())
        terms = self._terms.of_call(timeout, traceparent)
        answer = await self._port.call(FILTER_TOOLS, request, terms)
        return Filtered.from_proto(answer, len(request.definitions))

    async def register_tools(
        self,
        definitions: Sequence[Definition],
        *,
        server: str = "",
        timeout: float = REGISTRATION_TIMEOUT_SECONDS,  # noqa: ASYNC109 - a gRPC deadline
        traceparent: str | None = None,
    ) -> RegistrationResult:
        """Registers everything that this MCP server offers, in place of what it did before.

        Args:
            definitions: All of it, in the order in which the server lists it.
            server: The name under which the policy declares this server; needed only where
                it declares several with this workload's SPIFFE ID.
            timeout: Seconds, waiting for governd included. It is not tried again.
            traceparent: W3C trace context.

        Raises:
            GoverndError: Nothing was registered, or it is not known whether it was.
        """
        messages = list(registration_messages(definitions, server))
        terms = self._terms.of_call(timeout, traceparent)
        return RegistrationResult.from_proto(await self._port.send(REGISTER_TOOLS, messages, terms))
