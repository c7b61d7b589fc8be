"""Every key of log lines, once; ``docs/metrics.md`` lists them (``page``).

Rule: data goes into keys, never into the event's text.
"""

import enum
from typing import Self


class Key(enum.StrEnum):
    """Keys of log lines; the text beside each says what it holds."""

    meaning: str

    def __new__(cls, key: str, meaning: str) -> Self:
        """Keeps the meaning beside the key."""
        member = str.__new__(cls, key)
        member._value_ = key
        member.meaning = meaning
        return member

    TIMESTAMP = "timestamp", "When, RFC 3339 in UTC with microseconds."
    LEVEL = "level", "`debug`, `info`, `warning`, `error` or `critical`."
    EVENT = "event", "What happened, a constant text."
    LOGGER = "logger", "Which part of governd, or which library, says so."
    EXCEPTION = "exception", "Traceback of a fault."
    TRACE_ID = "trace_id", "The caller's trace (W3C trace context), where it sent one."
    SPAN_ID = "span_id", "The caller's span in that trace."
    CALLER = "caller", "SPIFFE ID of the caller, `operator` on the admin socket, or `kubelet`."
    DECISION_ID = "decision_id", "The decision, as in its answer and in the decision log."
    METHOD = "method", "Full gRPC method."
    LISTENER = "listener", "Name of the listener."
    SOCKET = "socket", "Path of a socket."
    REASON = "reason", "ErrorReason of a refusal."
    ERROR = "error", "What went wrong, in words."
    ACTION = "action", "The action asked about."
    RESOURCE = "resource", "The resource asked about, `<type>:<id>`."
    DECISION = "decision", "`allow` or `deny`."
    REASONS = "reasons", "Policies that determined a decision, or why something is quarantined."
    EPOCH = "epoch", "Epoch of the policy in force."
    READY = "ready", "Whether questions are answered from a policy."
    PORT = "port", "TCP port of the metrics endpoint."
    SUBJECT = "subject", "SPIFFE ID of the subject, where it is not the caller."
    CODE = "code", "DecisionCode of a decision."
    DIGEST = "digest", "Digest of a policy source, of a definition or of an agent's card."
    POLICIES = "policies", "How many policies, or which."
    FILE = "file", "File of a mistake, within the policy source or of the configuration."
    LINE = "line", "Line of a mistake."
    SETTING = "setting", "Name of a setting."
    VERSION = "version", "governd's version."
    PID = "pid", "Process id."
    EXIT = "exit", "How a process ended: exit code, or the signal's name."
    DELAY_SECONDS = "delay_seconds", "How long until the next attempt."
    SECONDS = "seconds", "How long something took."
    SERVER = "server", "Name of an MCP server in the policy source."
    KIND = "kind", "What a definition defines: `tool`, `resource`, `resource_template`, `prompt`."
    NAME = "name", "Name of a definition: of a resource its URI."
    DETAIL = "detail", "Why something is quarantined, in words."
    ACTIVE = "active", "How many definitions are in force."
    QUARANTINED = "quarantined", "How many definitions are quarantined."
    PINNED = "pinned", "Digest of the definition or card that was pinned before."
    SERVERS = "servers", "How many MCP servers' registrations are kept."
    AGENTS = "agents", "How many agents."
    PINS = "pins", "How many definitions these are held to."
    LISTENERS = "listeners", "How many listeners."
    CALLS = "calls", "How many calls."
    WORKLOAD = "workload", "Name of a workload for which identities are held."
    SPIFFE_IDS = "spiffe_ids", "SPIFFE IDs of identities."
    WHY = "why", "Why an identity is held no more, in words."
    VOLUME = "volume", "A pod's volume: kubelet's id for it, or its name within the pod."
    VOLUMES = "volumes", "How many volumes of pods."
    POD_UID = "pod_uid", "UID of a pod."
    RESULT = "result", "What became of something, a word from a fixed list."
    ISSUER = "issuer", "Name of an issuer of tokens, or authorization server, in the policy."
    UPSTREAM = "upstream", "Name of an upstream in the policy source."
    UNTIL = "until", "When something ends, in seconds since 1970."
