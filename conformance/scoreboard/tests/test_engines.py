"""The registry: every engine is described whole, and what does not conform is explained."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from conformance.errors import ScoreboardError
from conformance.implementations import BUILT_IN, FORWARD_ONLY
from conformance.report.documentation import ROOT
from conformance.report.html.scoreboard import summary
from conformance.scoreboard.engine import ENGINES, FINDINGS, Engine, chosen, engines
from conformance.scoreboard.kept import README, RESULTS, TABLE
from conformance.scoreboard.record import read
from conformance.scoreboard.row import Row
from conformance.scoreboard.table import markdown

EACH = engines()
KEPT = read(RESULTS)
ASKED = (
    "torch-lstm", "torch-lstmcell", "torch-quantizable", "keras-tensorflow", "keras-jax", "tf-block-lstm", "tf-block-lstm-v2",
    "flax-linen", "equinox-lstmcell", "haiku-lstm", "paddle-lstm", "onnxruntime", "openvino-lstm", "onnx-evaluator", "mlx-lstm",
)  # fmt: skip


@pytest.mark.parametrize("engine", EACH.values(), ids=EACH.keys())
def test_an_engine_has_pinned_packages_and_an_adapter(engine: Engine) -> None:
    assert engine.title
    assert re.match(r"\d", engine.version)
    assert all(
        "==" in name for name in (*engine.packages, *engine.bare, *engine.npm) if not name.startswith("setuptools")
    )
    if engine.candidate:
        assert engine.candidate in BUILT_IN | FORWARD_ONLY or engine.candidate.startswith("process:")
        assert not engine.file.exists()
        return
    tree = ast.parse(engine.file.read_text())
    assert ast.get_docstring(tree)
    assert "lstm" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert engine.file.stem not in imported, "the adapter would import itself"


def test_there_is_no_adapter_of_no_engine() -> None:
    assert {path.stem for path in ENGINES.glob("*.py")} <= {engine.file.stem for engine in EACH.values()}


def test_an_unknown_engine_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ScoreboardError, match=r"no engine tensorflow; there are .*torch-lstm"):
        chosen(["torch-lstm", "tensorflow"])


def test_the_kept_record_has_every_engine_and_at_least_16_verdicts() -> None:
    assert {row.name for row in KEPT.rows} == EACH.keys()
    tried = {row.name for row in KEPT.rows if row.verdict != "not tried"}
    assert len(tried) >= 16
    assert tried >= set(ASKED)
    for row in KEPT.rows:
        assert row.version == EACH[row.name].version, f"{row.name} was measured in another version"


@pytest.mark.parametrize("row", KEPT.rows, ids=lambda row: row.name)
def test_what_does_not_conform_has_a_reason_or_a_program_of_its_own(row: Row) -> None:
    if row.verdict != "does not conform":
        return
    engine = EACH[row.name]
    assert row.diagnosis
    assert engine.findings or engine.design
    assert (tuple(row.findings), row.design) == (engine.findings, engine.design)


PROGRAMS = sorted(path for path in FINDINGS.iterdir() if path.suffix in (".py", ".js"))


def test_every_program_is_some_engines_finding() -> None:
    assert {path.name for path in PROGRAMS} == {name for engine in EACH.values() for name in engine.findings}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_finding_can_be_sent_as_it_is(program: Path) -> None:
    text = program.read_text(encoding="utf-8")
    if program.suffix == ".py":
        tree = ast.parse(text)
        head = ast.get_docstring(tree) or ""
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {module.partition(".")[0] for module in modules} & {"conformance", "lstm_ref"}
    else:
        head = "\n".join(line for line in text.splitlines() if line.startswith("//"))
    for word in ("What was run:", "Expected:", "Actual:", "Where:"):
        assert word in head, f"{program.name} lacks {word}"
    (engine,) = (engine for engine in EACH.values() if program.name in engine.findings)
    assert engine.version in head
    assert program.with_suffix(".txt").read_text(encoding="utf-8").strip()


def test_the_readme_has_the_table_of_the_kept_record() -> None:
    found = TABLE.search(README.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0].strip() == markdown(KEPT).strip()


def test_the_front_page_counts_what_the_record_has() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"{len(KEPT.rows)} LSTMs of others, measured on {KEPT.date}: {summary([row.verdict for row in KEPT.rows])}"
        in text
    )


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"format": 1}')
    with pytest.raises(ScoreboardError, match=r"other\.json is no record of a scoreboard"):
        read(tmp_path / "other.json")
