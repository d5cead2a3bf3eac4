"""The HTML report: complete in itself, true to the report, and harmless whatever the candidate says."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import conformance
from conformance.case import Case, Result
from conformance.cli import main
from conformance.diagnosis.finding import Diagnosis, Fault, Finding, Statement
from conformance.report import html
from conformance.trial.results import PROFILES, STATUSES, CheckResult, Report
from conformance.trial.runner import run
from conformance.trial.tests import wrong
from conformance.zoo import adapters

MOST = 2 * 2**20
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\"'&amp;"
ALONE = frozenset(("meta", "link", "wbr", "input"))


class Page(HTMLParser):
    """What a document holds; fails where elements are not closed in order."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.texts: list[str] = []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and data.startswith("{"):
            self.data = data
        elif self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    @property
    def ids(self) -> set[str]:
        return {attributes["id"] or "" for _, attributes in self.found if "id" in attributes}


@cache
def trial(name: str) -> Report:
    return run(getattr(wrong, name, None) or getattr(adapters, name), name, seconds=2.0)


def page(report: Report, diagnosis: Diagnosis = Diagnosis()) -> Page:  # noqa: B008 - it is frozen
    return Page(html.render(report, diagnosis, "my_lstm.py:lstm"))


def number(value: Any) -> float:
    return float(str(value).replace("Infinity", "inf"))


def test_the_option_writes_the_page(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert main(["check", f"{wrong.__file__}:final_states_swapped", "--html", str(target)]) == 1
    text = Page(target.read_text(encoding="utf-8")).text
    assert "Does not conform" in text
    assert f"lstm-conformance repro {wrong.__file__}:final_states_swapped" in text
    assert main(["check", "ref", "--html", str(target)]) == 0
    assert "Conforms" in Page(target.read_text(encoding="utf-8")).text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(("arguments", "needed"), [([], False), (["--html", os.devnull], True)])
def test_the_templates_engine_is_imported_for_the_page_alone(arguments: list[str], needed: bool) -> None:
    program = (
        "import sys; from conformance.cli import main\n"
        f"assert main({['check', 'ref', *arguments]}) == 0\n"
        "print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(needed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--html", "no/report.html"], "there is no directory no"),
        (["--html", "."], "is a directory"),
        (["--html", "report", "--json", "report"], "two reports are to be written to report"),
        (["--junit", "report", "--json", "./report"], "two reports are to be written to"),
        (["--html", "link", "--json", "report"], "two reports are to be written to"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_run(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("report")
    Path("mine.py").write_text("def lstm(case):\n    open('called', 'w')\n")
    assert main(["check", "mine.py:lstm", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not Path("called").exists()
    assert not Path("report").exists()


ODD = {
    # candidate: parts that its page has, and parts that it has not
    "correct": ({"nearest", "time"}, {"diagnosis", "smallest", "left-out"}),
    "forward_only": ({"nearest", "time"}, {"diagnosis", "smallest", "left-out"}),
    "time_major_class": ({"nearest", "time"}, {"diagnosis", "smallest", "left-out"}),
    "gate_order": ({"diagnosis", "smallest", "time"}, {"nearest", "left-out"}),
    "raises": ({"diagnosis", "smallest", "time"}, {"nearest", "left-out"}),
    "raises_odd_text": ({"diagnosis", "smallest", "time"}, {"nearest", "left-out"}),
    "lazy": ({"diagnosis", "smallest", "time"}, {"nearest", "left-out"}),
    "wrong_shape": ({"diagnosis", "smallest", "time"}, {"nearest", "left-out"}),
    "dtype_widened": ({"remarks", "nearest", "time"}, {"smallest", "left-out"}),
    "nan_at_saturation": ({"diagnosis", "smallest", "time"}, {"nearest", "left-out"}),
    "sigmoid_overflow": ({"remarks", "nearest", "time"}, {"smallest", "left-out"}),
    "misnamed": ({"left-out", "time"}, {"nearest", "smallest", "diagnosis"}),
}


@pytest.mark.parametrize("name", ODD)
def test_every_kind_of_candidate_has_the_parts_that_concern_it_and_every_check_in_a_cell(name: str) -> None:
    report = trial(name)
    there, absent = ODD[name]
    made = page(report)
    assert there | {"matrix", "behaviour", "environment"} <= made.ids
    assert not absent & made.ids
    assert ("Does not conform" in made.text) == (not report.conforms())

    held = {}
    for grid in json.loads(made.data)["grids"].values():
        for row in grid["rows"]:
            for (quantity, k), check in zip(grid["columns"], row["checks"], strict=True):
                if check != 0:
                    id = row["ids"][k]
                    held[id if id.startswith("behaviour:") else f"{id}:{quantity}"] = check
    texts = json.loads(made.data)["texts"]
    results = {result.id: result for result in report.of_profile(report.profile)}
    assert held.keys() == results.keys()
    for id, (status, *told) in held.items():
        result = results[id]
        assert list(STATUSES.values())[status] == result.status
        compared = result.comparison
        if compared is None or compared.reason:
            message = result.message.removeprefix(f"{result.quantity}: ").encode(errors="replace").decode()
            assert texts[told[0]].replace("\ufffd", "?") == message
            continue
        assert told[:3] == [compared.wrong, compared.total, compared.index]
        wanted = (compared.share, compared.expected, compared.actual, compared.allowed)
        assert all(
            number(a) == b or (math.isnan(number(a)) and math.isnan(b)) for a, b in zip(told[3:], wanted, strict=True)
        )


@pytest.mark.parametrize("name", ["correct", "grad_final_cell_ignored"])
def test_the_page_names_nothing_outside_itself(name: str) -> None:
    document = html.render(trial(name), Diagnosis(), "ref")
    assert re.findall(r"https?:|@import|url\(", document) == []
    loading = [(tag, a) for tag, a in Page(document).found if {"src", "srcset", "data", "action"} & a.keys()]
    assert loading == []
    links = [a["href"] or "" for _, a in Page(document).found if "href" in a]
    assert links
    assert all(link.startswith(("#", "data:,")) for link in links)


def hostile(case: Case) -> Any:
    if case.sizes[0] == 1:
        raise ValueError(HOSTILE)
    return {**wrong.lstm(case), HOSTILE: 1, "\udc80\x1b": 2}


def test_text_of_the_candidate_stays_text() -> None:
    finding = Finding((HOSTILE,), False, HOSTILE, 1, 2, HOSTILE)
    report = run(hostile, HOSTILE)
    document = html.render(report, Diagnosis((finding,), (Statement(False, HOSTILE),)), f"{HOSTILE}.py:lstm")
    made = Page(document)
    tags = [tag for tag, _ in made.found]
    assert tags.count("script") == 2
    assert not {"img", "iframe", "object"} & set(tags)
    assert all(not key.startswith("on") for _, attributes in made.found for key in attributes)
    assert made.text.count(HOSTILE) == 7, "title, name, finding, repair, bug, statement and message"
    assert "<" not in made.data
    assert any(HOSTILE in text for text in json.loads(made.data)["texts"])
    assert f"'{HOSTILE.split(chr(39))[0]}" in made.text, "the command that repeats it is quoted for the shell"
    document.encode()


def different_message_each_time(case: Case) -> Result:
    if case.sizes[0] == 1:
        return wrong.lstm(case)
    raise ValueError(f"{case.id} {'<😀' * 200}")


def multiplied(report: Report) -> Report:
    """The report with every case six times, each with messages of its own: more than `--against all` has."""
    trials, sizes, given = {}, {}, {}
    results: list[CheckResult] = []
    for oracle in ("fixtures", "torch", "keras"):
        for word in ("once", "again"):
            for id, one in report.trials.items():
                name = id.replace("-float", f"-{word}-float")
                other = replace(one, oracle=oracle, case=replace(one.case, id=name))
                trials[other.id], sizes[other.id], given[other.id] = other, report.sizes[id], report.given.get(id, {})
                mine = [r for r in report.results if r.trial == id and not r.behaviour]
                for r in mine:
                    message = f"{other.id}:{r.quantity} {r.message}"
                    results.append(replace(r, id=f"{other.id}:{r.quantity}", trial=other.id, message=message))
    behaviour = [r for r in report.results if r.behaviour]
    sizes |= {r.trial: report.sizes[r.trial] for r in behaviour}
    return replace(report, against="all", results=(*results, *behaviour), trials=trials, sizes=sizes, given=given)


@pytest.mark.parametrize("function", [wrong.gate_order, different_message_each_time])
def test_with_more_cases_than_there_are_the_page_stays_under_two_mebibytes(function: Any) -> None:
    report = multiplied(run(function, "candidate"))
    assert len(report.trials) > 900
    document = html.render(report, Diagnosis(), "ref").encode()
    assert 200_000 < len(document) < MOST
    assert document.count(b"<td") >= 900 * 9


def test_the_heat_maps_hold_the_numbers_of_the_smallest_failure() -> None:
    report = trial("final_states_swapped")
    document = html.render(report, Diagnosis(), "ref")
    smallest = report.smallest_failure
    assert smallest is not None
    section = document.partition('id="smallest"')[2].partition("</section>")[0]
    assert smallest.trial in section
    first = section.partition("<figure")[2].partition("</figure>")[0]
    maps: dict[str, list[float]] = {}
    for piece in first.split("<caption>")[1:]:
        cells = re.findall(r'<td class="[^"]+">([^<]*)', piece)
        maps.setdefault(piece.partition("<")[0], []).extend(float(cell.replace("−", "-")) for cell in cells)
    trial_, given = report.trials[smallest.trial], report.given[smallest.trial][smallest.quantity]
    expected = trial_.expected()[smallest.quantity]
    assert maps["expected"] == pytest.approx(expected.ravel(), rel=6e-3)
    assert maps["candidate"] == pytest.approx(given.ravel(), rel=6e-3)
    assert maps["difference"] == pytest.approx((given - expected).ravel(), rel=6e-3)


def test_the_plot_tells_at_which_steps_the_error_begins() -> None:
    def wrong_from_the_third_step(case: Case) -> Result:
        result = wrong.lstm(case)
        result["output"][:, 2:] += case.dtype.type(0.01)
        return result

    report = run(wrong_from_the_third_step, "late")
    text = page(report).text
    assert "output exceeds the allowed error at 498 of 500 steps, from t=2 to t=499." in text
    assert "d_x stays within the allowed error at all 500 steps." in text
    rows = re.findall(r'<tr><th scope="row">(\d+)</th><td>([^<]+)', html.render(report, Diagnosis(), "ref"))
    worst = next(r for r in report.results if r.id == "long-500-float64:output").comparison
    assert worst is not None
    last = [float(error) for t, error in rows if t == "499"]
    assert last == [pytest.approx(0.01, rel=0.01)]


def test_a_diagnosis_shows_its_findings_and_what_is_established() -> None:
    certain = Finding(("gates-ifoc",), True, "The gates are taken in another order", 9, 9, "Split them as i, f, c, o.")
    possible = Finding(("one", "other"), False, "Two things at once", 3, 9, "Undo both.")
    statements = (Statement(False, "The carry is lost."), Statement(True, "The first step is right."))
    text = page(trial("gate_order"), Diagnosis((certain, possible), statements)).text
    for words in (
        "certain, explains all 9 failing checks",
        "possible, explains 3 of 9 failing checks",
        "Split them as i, f, c, o.",
        "lstm-conformance bugs gates-ifoc",
        "lstm-conformance bugs other",
        "Found wrong",
        "The carry is lost.",
        "Found right",
    ):
        assert words in text
    assert "No bugs that were tried" not in text
    assert "No bugs that were tried" in page(trial("gate_order")).text


def test_bugs_that_act_together_are_a_numbered_list() -> None:
    faults = (Fault("No tanh.", "Take tanh."), Fault(HOSTILE, "Clip."))
    both = "(1) No tanh. (2) Hostile."
    finding = Finding(("a", "b"), True, both, 9, 9, f"{both} So it is.", faults, "So it is.")
    document = html.render(trial("gate_order"), Diagnosis((finding,)), "ref")
    listed = document.partition("<ol>")[2].partition("</ol>")[0]
    items = [Page(f"{item}</li>").text for item in listed.split("</li>")[:-1]]
    assert items == ["No tanh. Repair: Take tanh.", f"{HOSTILE} Repair: Clip."]
    text = Page(document).text
    assert both not in text
    assert text.count("So it is.") == 1


def test_whose_behaviour_alone_is_wrong_is_told_what_and_nothing_of_cases() -> None:
    made = page(trial("sigmoid_overflow"))
    assert "2 of 16 have a remark or were not judged." in made.text
    assert "RuntimeWarning: overflow encountered in exp" in made.text


def test_gradients_are_no_fault_of_who_gives_none() -> None:
    training = "Profile training (the forward pass and all gradients):"
    assert f"{training} not asked for; it gives no gradients." in page(trial("forward_only")).text
    assert f"{training} does not conform." in page(run(wrong.grad_final_cell_ignored, "g", profile="forward")).text


def test_declared_and_unknown_names_are_shown() -> None:
    assert "It declares that it is without c, c0, d_c, d_h, h, h0." in page(trial("time_major_class")).text
    assert "keys that name no quantity: dx" in page(trial("misnamed")).text


def test_a_forward_candidate_has_no_columns_for_gradients() -> None:
    @conformance.candidate(without=("d_output", "d_h", "d_c"))
    def forward(case: Case) -> Result:
        return wrong.forward_only(case)

    report = run(forward, "forward")
    columns = json.loads(page(report).data)["grids"]["matrix"]["columns"]
    assert list(dict.fromkeys(name for name, _ in columns)) == list(PROFILES["forward"])
