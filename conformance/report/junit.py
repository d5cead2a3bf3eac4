"""The report as JUnit XML, for whatever reads test results: one test case per check."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from conformance.report.files import write_bytes
from conformance.report.json_report import against
from conformance.trial.results import Report


def printable(text: str) -> str:
    """The text with what XML 1.0 cannot hold replaced."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def write(report: Report, path: Path) -> None:
    """Write the checks of the report's profile, whole or not at all."""
    counts = report.counts()
    skipped = counts["not_provided"] + counts["not_judged"]
    totals = {
        "tests": counts["checks"],
        "failures": counts["failed"] + counts["undeclared"] + (counts["remarks"] if report.strict else 0),
        "errors": 0,
        "skipped": skipped,
    }
    attributes = {name: str(count) for name, count in totals.items()}
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(root, "testsuite", {"name": f"lstm-conformance {report.candidate}", **attributes})
    for result in report.of_profile(report.profile):
        classname = "behaviour" if result.behaviour else result.quantity
        case = ElementTree.SubElement(suite, "testcase", {"classname": classname, "name": result.id, "time": "0"})
        if result.status in against(report.strict):
            ElementTree.SubElement(case, "failure", {"message": printable(result.message), "type": result.status})
        elif result.status in ("not provided", "not judged"):
            ElementTree.SubElement(case, "skipped", {"message": printable(f"{result.status}: {result.message}")})
        elif result.status == "remark":
            ElementTree.SubElement(case, "system-out").text = printable(f"remark: {result.message}")
    write_bytes(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
