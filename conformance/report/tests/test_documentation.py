"""What the READMEs show is what is printed, and what they count is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.bench import table
from conformance.bench.competitors import COMPETITORS
from conformance.bench.grid import FULL
from conformance.cases.features import FEATURES
from conformance.cases.matrix import sizes
from conformance.diagnosis.bugs import bugs, network_bugs
from conformance.diagnosis.bugs.catalogue import readable
from conformance.fixtures.store import golden
from conformance.fixtures.trajectories import frozen
from conformance.report.documentation import FENCE, READMES, ROOT, compare, lacking, printed, same, shows

TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in READMES}
COMPARED = {
    "README.md": 4,
    "conformance/README.md": 13,
    "conformance/bench/README.md": 1,
    "conformance/diagnosis/README.md": 3,
    "conformance/languages/README.md": 10,
    "conformance/frameworks/README.md": 7,
    "conformance/sweep/README.md": 4,
    "conformance/scoreboard/README.md": 1,
    "conformance/zoo/README.md": 8,
    "fixtures/README.md": 1,
    "lstm_ref/README.md": 8,
}
"""How many outputs each README shows, of those that take no minutes."""


@pytest.mark.parametrize("name", READMES)
def test_a_readme_shows_what_is_printed(name: str, not_run: Callable[[str], None]) -> None:
    if lacks := lacking(name):
        not_run(f"what {name} shows: there is no {lacks}; `make test` fetches what npm has")
    count, differences = compare(ROOT / name)
    assert not differences, "\n".join(differences)
    assert count == COMPARED[name]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        (r"(\d+) (?:catalogued )?bugs (?:that|in|\|)|(\d+) catalogued bugs", len(bugs())),
        (r"other of the (\d+) bugs", len(bugs())),
        (r"(\d+,\d+) others that", len(readable()) - len(bugs())),
        (r"bugs in 2 dtypes: (\d+) of (\d+) caught", 2 * len(bugs())),
        (r"(\d+) golden vectors|(\d+) of one plain layer", len(golden(("float64",)))),
        (r"(\d+) small LSTM computations", len(golden(("float64",), features=FEATURES))),
        (r"(\d+) bugs of networks", len(network_bugs())),
        (r"(\d+) combinations in which every pair", len(sizes())),
    ],
)
def test_what_the_readmes_count_is_there(pattern: str, count: int) -> None:
    found = [number for text in TEXTS.values() for match in re.finditer(pattern, text) for number in match.groups()]
    assert found
    assert {int(number.replace(",", "")) for number in found if number} == {count}


def test_links_lead_somewhere() -> None:
    links = [
        (ROOT / name).parent / target
        for name, text in TEXTS.items()
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text)
    ]
    assert len(links) > 10
    assert [link for link in links if not link.exists()] == []


def test_the_allowed_errors_of_trainings_are_the_frozen_ones() -> None:
    text = TEXTS["lstm_ref/README.md"]
    head = re.search(r"^\| allowed after N updates \|(.*)\|$", text, re.M)
    assert head is not None
    updates = [int(number) for number in head[1].split("|")]
    rows = re.findall(r"^\| `(\w+)` \|((?: \de-\d+ \|)+)", text, re.M)
    assert len(rows) == 4
    for name, cells in rows:
        known = frozen()[name]
        told = [float(cell) for cell in cells.split("|") if cell.strip()]
        assert len(told) == sum(len(known.losses) >= N for N in updates)
        for N, number in zip(updates, told, strict=False):
            assert f"{known.allowed['float64'][N - 1] / known.losses.max():.0e}" == f"{number:.0e}", f"{name}, {N}"


def test_the_readme_stays_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) < 250


def test_the_benchmark_tables_are_of_the_form_that_is_printed() -> None:
    blocks = [fence["body"] for fence in FENCE.finditer(TEXTS["conformance/bench/README.md"])]
    heads = 0
    for lines in (block.splitlines() for block in blocks):
        for number, line in enumerate(lines):
            found = re.fullmatch(r"(\d+) threads?, (float64|float32), (forward|forward \+ backward)", line)
            if found is None:
                continue
            names = [name for name in COMPETITORS if f"/ {name}" in lines[number + 1]]
            head = table.heading(int(found[1]), found[2], "backward" in found[3], names)
            assert ["", line, lines[number + 1]] == head
            rows = [tuple(map(int, row.split()[:4])) for row in lines[number + 2 :] if re.match(r" +\d+ +\d+", row)]
            assert set(FULL) <= set(rows) or len(rows) >= 1
            heads += 1
    assert heads >= 4


@pytest.mark.parametrize(
    ("shown", "actual", "expected"),
    [
        ("3 passed in 1.2s", "3 passed in 9.7s", True),
        ("3 passed", "4 passed", False),
        ("error 1.5e-7", "error 3e-7", True),
        ("error 1.5e-7", "error 5e-7", False),
        ("error 0.5", "error -0.5", False),
        ("wrong", "right", False),
        ("peak 3.76 MB", "peak 4.1 MB", True),
        ("0.70 (0.68-0.71)", "0.20 (n=3)", True),
        ("a  b", "a b", True),
        ("a", "", False),
    ],
)
def test_what_counts_as_the_same_output(shown: str, actual: str, expected: bool) -> None:
    assert same(shown, actual) is expected


def test_a_readme_that_shows_something_else_is_found_out_and_written_anew(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("```python\nprint(6 * 7)\n```\n\n```text\n41\n```\n\n```console\n$ echo a\nb\n```\n")
    assert compare(readme)[0] == 2
    assert len(compare(readme, write=True)[1]) == 2
    assert compare(readme)[1] == []
    assert "```text\n42\n```" in readme.read_text()


def test_a_block_that_nothing_checks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a block that nothing checks"):
        list(printed("```text\nno command\n```\n", tmp_path))


def test_the_closing_summary_is_compared_with_the_readme(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("```text make conformance\n=== conformance ===\n7 checks\n7 passed in 1.00s\n```\n")
    assert shows(readme, ["7 checks"])
    assert not shows(readme, ["8 checks"])
