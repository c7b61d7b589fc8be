"""What both clients say of agents: to register this one's card, and what is known of one."""

from governd_client._proto.governd.v1 import agent_service_pb2
from governd_client.agent import Agent
from governd_client.channel import GET_AGENT, REGISTER_AGENT, AsyncPort, Port
from governd_client.errors import CardInvalidError, InvalidRequestError
from governd_client.terms import Terms


class AgentCalls:
    """AgentService, for the synchronous client."""

    _port: Port
    _terms: Terms

    def register_agent(
        self, card: bytes, *, attestation: str = "", timeout: float | None = None
    ) -> Agent:
        """Registers this workload's A2A agent card, in the place of the one before.

        What cannot be verified is told in ``problems``, and gives a lower level. Register
        again when the X.509-SVID has been renewed, if the card is signed with it.

        Args:
            card: The card as it is served: the bytes count.
            attestation: A KYA attestation of this very card.
            timeout: Seconds, retries and waiting for governd included.

        Raises:
            CardInvalidError: The card breaks a rule; ``field`` names the place in it.
            GoverndError: It is not known whether it was registered.
        """
        request = _registration(card, attestation)
        answer = self._port.call(REGISTER_AGENT, request, self._terms.of_call(timeout, None))
        return Agent.from_proto(answer)

    def get_agent(self, spiffe_id: str = "", *, timeout: float | None = None) -> Agent:
        """Says what is known of an agent of this node; of this workload unless named.

        Raises:
            AgentUnknownError: None of that SPIFFE ID is registered.
            GoverndError: There is no answer.
        """
        request = _lookup(spiffe_id)
        answer = self._port.call(GET_AGENT, request, self._terms.of_call(timeout, None))
        return Agent.from_proto(answer)


class AsyncAgentCalls:
    """AgentService, for the asynchronous client."""

    _port: AsyncPort
    _terms: Terms

    async def register_agent(
        self,
        card: bytes,
        *,
        attestation: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
    ) -> Agent:
        """Registers this workload's A2A agent card, in the place of the one before.

        What cannot be verified is told in ``problems``, and gives a lower level. Register
        again when the X.509-SVID has been renewed, if the card is signed with it.

        Args:
            card: The card as it is served: the bytes count.
            attestation: A KYA attestation of this very card.
            timeout: Seconds, retries and waiting for governd included.

        Raises:
            CardInvalidError: The card breaks a rule; ``field`` names the place in it.
            GoverndError: It is not known whether it was registered.
        """
        request = _registration(card, attestation)
        answer = await self._port.call(REGISTER_AGENT, request, self._terms.of_call(timeout, None))
        return Agent.from_proto(answer)

    async def get_agent(
        self,
        spiffe_id: str = "",
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a gRPC deadline
    ) -> Agent:
        """Says what is known of an agent of this node; of this workload unless named.

        Raises:
            AgentUnknownError: None of that SPIFFE ID is registered.
            GoverndError: There is no answer.
        """
        request = _lookup(spiffe_id)
        answer = await self._port.call(GET_AGENT, request, self._terms.of_call(timeout, None))
        return Agent.from_proto(answer)


def _registration(card: bytes, attestation: str) -> agent_service_pb2.RegisterAgentRequest:
    try:
        return agent_service_pb2.RegisterAgentRequest(card_json=card, attestation=attestation)
    except (TypeError, ValueError):
        # Without its cause, which could quote the attestation.
        message = "card_json: expected bytes, and attestation text in UTF-8"
        raise CardInvalidError(message, field="card_json") from None


def _lookup(spiffe_id: str) -> agent_service_pb2.GetAgentRequest:
    try:
        return agent_service_pb2.GetAgentRequest(spiffe_id=spiffe_id)
    except (TypeError, ValueError) as error:
        message = "spiffe_id: expected text in UTF-8"
        raise InvalidRequestError(message, field="spiffe_id") from error
