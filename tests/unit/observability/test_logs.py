"""Log lines as programs read them."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from governd.observability import logs


class Log:
    """The process's logging, written to memory."""

    def __init__(self, level: str = "info") -> None:
        self.stream = io.StringIO()
        self.context: dict[str, str] = {}
        logs.configure(level, context=lambda: self.context, stream=self.stream)

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Puts the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_has_time_level_event_and_logger() -> None:
    log = Log()
    logs.get("governd.policy").info("policy loaded", digest="sha-256:00", policies=3)
    (line,) = log.lines
    timestamp = str(line.pop("timestamp"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp)
    assert line == {
        "level": "info",
        "event": "policy loaded",
        "logger": "governd.policy",
        "digest": "sha-256:00",
        "policies": 3,
    }


@pytest.mark.req("ob-1", part=True)
def test_the_call_at_hand_is_on_every_line_and_what_the_line_says_wins() -> None:
    log = Log()
    log.context = {"caller": "spiffe://example.org/a", "trace_id": "1"}
    logs.get("test").info("one")
    logs.get("test").info("two", trace_id="2")
    assert [(line["caller"], line["trace_id"]) for line in log.lines] == [
        ("spiffe://example.org/a", "1"),
        ("spiffe://example.org/a", "2"),
    ]


def test_lines_below_the_level_are_not_written() -> None:
    log = Log("warning")
    logs.get("test").info("no")
    logging.getLogger("test").info("no")
    logs.get("test").warning("yes")
    assert [line["event"] for line in log.lines] == ["yes"]


def test_the_standard_librarys_records_come_in_the_same_form() -> None:
    log = Log()
    log.context = {"caller": "operator"}
    logging.getLogger("grpc.aio").error("aborting method [%s]", "/s/M")
    (line,) = log.lines
    assert (line["level"], line["logger"]) == ("error", "grpc.aio")
    assert (line["event"], line["caller"]) == ("aborting method [/s/M]", "operator")


@pytest.mark.req("r-3", part=True)
@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("library", ["httpx2", "httpcore2.http11", "of.another"])
def test_attack_what_a_library_tells_of_what_went_over_the_wire(level: str, library: str) -> None:
    log = Log(level)
    told = logging.getLogger(library)
    told.debug("receive_response_headers.complete return_value=%r", [(b"x", b"hunter2")])
    told.info('HTTP Request: POST %s "%s"', "https://login.example", "HTTP/1.1 401 hunter2")
    told.warning("it warns")
    logs.get("test").info("governd's own")
    assert [line["event"] for line in log.lines] == ["it warns", "governd's own"]


def test_a_traceback_is_one_value_of_one_line() -> None:
    log = Log()
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logs.get("test").exception("call failed")
        logging.getLogger("test").exception("likewise")
    assert [str(line["exception"]).splitlines()[-1] for line in log.lines] == [
        "ZeroDivisionError: division by zero"
    ] * 2


@pytest.mark.parametrize(
    "key",
    ["authorization", "Authorization", "access_token", "api_key", "password", "client_secret"],
)
def test_values_under_keys_that_look_secret_are_never_written(key: str) -> None:
    log = Log()
    logs.get("test").info("one", **{key: "hunter2"})
    logs.get("test").info("two", nested={"deep": [{key: "hunter2"}]}, more=({key: b"hunter2"},))
    assert "hunter2" not in log.stream.getvalue()
    assert log.lines[0][key] == logs.REDACTED


def test_a_line_break_in_a_value_cannot_forge_a_line() -> None:
    log = Log()
    logs.get("test").info("asked", action='x\n{"event": "forged"}')
    assert [line["event"] for line in log.lines] == ["asked"]


def test_values_that_json_does_not_know_are_written_as_text() -> None:
    log = Log()
    logs.get("test").info("one", value={1, 2}.__class__)
    assert log.lines[0]["value"] == "<class 'set'>"
