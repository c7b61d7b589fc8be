"""Results of policy cases as JUnit XML, which CI systems show.

The form follows https://github.com/testmoapp/junitxml; each file of cases is a test suite.
"""

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from governd.cli.case_run import FileReport, TimedResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(reports: Sequence[FileReport]) -> bytes:
    """The XML document."""
    root = ET.Element("testsuites", name="governd policy test")
    for report in reports:
        _suite(root, report)
    root.attrib.update(_totals(reports))
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _totals(reports: Sequence[FileReport]) -> dict[str, str]:
    errors = sum(bool(report.problems) for report in reports)
    return {
        "tests": str(sum(len(report.results) for report in reports) + errors),
        "failures": str(sum(report.failed for report in reports) - errors),
        "errors": str(errors),
        "time": _time(sum(one.seconds for report in reports for one in report.results)),
    }


def _suite(root: ET.Element, report: FileReport) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": _text(report.file), **_totals([report])})
    for one in report.results:
        _case(suite, report.file, one)
    if report.problems:
        case = ET.SubElement(suite, "testcase", classname=_text(report.file), name="can be run")
        error = ET.SubElement(case, "error", message=_text(str(report.problems[0])))
        error.text = _text("\n".join(str(problem) for problem in report.problems))


def _case(suite: ET.Element, file: str, one: TimedResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_text(file),
        name=_text(one.result.name),
        time=_time(one.seconds),
    )
    if one.result.failures:
        message = _text("; ".join(one.result.failures))
        failure = ET.SubElement(case, "failure", message=message)
        failure.text = _text("\n".join(one.result.failures))


def _time(seconds: float) -> str:
    return f"{seconds:.6f}"


def _text(text: str) -> str:
    """The text without the characters that no XML document may have."""
    return _NOT_XML.sub("\ufffd", text)
