"""`lstm-conformance bench` from its options to its table, its JSON and its pictures."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from conformance.bench.competitors import COMPETITORS
from conformance.cli import main

TINY = ["bench", "--size", "2,3,2,4", "--seconds", "0.001"]
REFUSED = {
    ("onnxruntime", "float64", False): "onnxruntime says: LSTM operator does not support double yet.",
    ("onnxruntime", "float64", True): "ONNX's LSTM has no backward pass.",
    ("onnxruntime", "float32", True): "ONNX's LSTM has no backward pass.",
    ("onnx", "float64", True): "ONNX's LSTM has no backward pass.",
    ("onnx", "float32", True): "ONNX's LSTM has no backward pass.",
}


def test_every_competitor_at_one_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--json", str(tmp_path / "bench.json")]) == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "bench.json").read_text())

    keys = [(t["against"], t["job"]["dtype"], t["job"]["backward"]) for t in found["timings"]]
    assert sorted(keys) == sorted(product(COMPETITORS, ("float64", "float32"), (False, True)))
    for key, timing in zip(keys, found["timings"], strict=True):
        assert timing["threads"] == 1
        assert timing["job"]["sizes"] == [2, 3, 2, 4]
        assert timing["job"]["flops"] == 8 * 2 * 3 * 4 * 6 * (3 if key[2] else 1)
        assert timing["reason"] == REFUSED.get(key, "")
        if key in REFUSED:
            assert timing["measured"] is None
            assert f"- {key[0]}: {REFUSED[key]}" in printed
        else:
            measured = timing["measured"]
            assert 0 < measured["low"] <= measured["ratio"] <= measured["high"]
            assert measured["samples"] >= 5
            assert 0 < measured["own_seconds"] < 1
            assert 0 < measured["other_seconds"] < 1
            assert measured["error"] < (1e-12 if key[1] == "float64" else 1e-4)

    rows = [line for line in printed.splitlines() if line.split()[:4] == ["2", "3", "2", "4"]]
    assert len(rows) == 4
    assert [row.count(" -") for row in rows] == [1, 0, 2, 2]
    assert len(found["verdicts"]) == 9
    assert all(verdict["met"] is None for verdict in found["verdicts"]), "none is about this size"
    assert {(m["sizes"][1], m["dtype"], m["backward"]) for m in found["memory"]} == set(
        product((100, 1000, 10_000), ("float64", "float32"), (False, True))
    )
    assert all(
        m["peak"] > 0 and math.isclose(m["per_number"], m["peak"] / (256 * m["sizes"][1])) for m in found["memory"]
    )
    assert set(found["machine"]) == {"processor", "cores", "system", "python", "numpy", "blas"}
    assert all(found["machine"].values())
    assert {"torch", "keras", "onnx", "onnxruntime"} <= set(found["versions"])
    assert found["missing"] == {}


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring the memory of long sequences takes seconds; one test does it."""
    monkeypatch.setattr("conformance.bench.grid.MEMORY_SIZES", ((8, 10, 16, 32),))


@pytest.mark.usefixtures("little_memory")
def test_a_competitor_that_is_not_installed_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("torch", "tensorflow", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not there
    assert main([*TINY, "--dtype", "float32"]) == 0
    printed = capsys.readouterr().out
    assert "left out: torch needs torch, not installed: pip install 'lstm-conformance[torch]'" in printed
    assert "left out: keras needs tensorflow, not installed: pip install 'lstm-conformance[keras]'" in printed
    assert "left out: onnx needs onnxruntime, not installed: pip install 'lstm-conformance[onnx]'" in printed
    assert "/ matmul" in printed
    assert "/ torch" not in printed

    assert main([*TINY, "--against", "matmul,torch"]) == 2
    assert "torch needs torch, not installed: pip install" in capsys.readouterr().err


@pytest.mark.usefixtures("little_memory")
def test_both_numbers_of_threads(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.bench.machine.cores", lambda: 3)
    assert main([*TINY, "--threads", "both", "--against", "matmul", "--dtype", "float32"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if "thread" in line and "float32, forward" in line] == [
        "1 thread, float32, forward",
        "1 thread, float32, forward + backward",
        "3 threads, float32, forward",
        "3 threads, float32, forward + backward",
    ]


def arguments(*extra: str) -> list[str]:
    return [*TINY, "--against", "matmul", "--dtype", "float32", *extra]


@pytest.fixture
def matplotlib(not_run: Callable[[str], None]) -> None:
    if find_spec("matplotlib") is None:
        not_run("the benchmark's plots need matplotlib")


@pytest.mark.usefixtures("matplotlib", "little_memory")
def test_one_picture_has_it_all(tmp_path: Path) -> None:
    target = tmp_path / "bench.svg"
    assert main([*arguments("--plot", str(target)), "--json", str(tmp_path / "bench.json")]) == 0
    texts = " ".join(e.text or "" for e in ElementTree.parse(target).iter("{http://www.w3.org/2000/svg}text"))
    for word in (
        "time steps T",
        "units H",
        "GFLOP/s",
        "time of one call (ms)",
        "2,3,2,4",
        "lstm_ref",
        "NumPy",
        "1 thread",
    ):
        assert word in texts
    sizes = {tuple(t["job"]["sizes"]) for t in json.loads((tmp_path / "bench.json").read_text())["timings"]}
    assert {(8, 1000, 32, 64), (8, 50, 32, 512), (2, 3, 2, 4)} < sizes


@pytest.mark.usefixtures("matplotlib", "little_memory")
def test_a_folder_gets_a_picture_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for series in ("ALONG_T", "ALONG_H"):
        monkeypatch.setattr(f"conformance.bench.grid.{series}", ((8, 10, 32, 64),))
        monkeypatch.setattr(f"conformance.bench.plots.{series}", ((8, 10, 32, 64),))
    assert main(arguments("--plot", str(tmp_path / "plots"))) == 0
    written = {path.name: path.read_bytes() for path in (tmp_path / "plots").iterdir()}
    assert set(written) == {"time-against-T.png", "time-against-H.png", "against-the-floor.png"}
    assert all(content.startswith(b"\x89PNG") and len(content) > 10_000 for content in written.values())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            ["--against", "torch,jax"],
            "there is no competitor 'jax'; there are torch, keras, onnxruntime, onnx, matmul.",
        ),
        (["--plot", "nowhere/at/all"], "expected a file ending in .png, .svg, .pdf, or a folder"),
        (["--plot", "nowhere/bench.png"], "there is no directory nowhere"),
        (["--json", "nowhere/bench.json"], "there is no directory nowhere"),
        (["--json", "bench.svg", "--plot", "bench.svg"], "two reports are to be written to bench.svg"),
    ],
)
def test_misuse_is_told_before_anything_is_timed(
    extra: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*TINY, *extra]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_plots_without_matplotlib_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(arguments("--plot", str(tmp_path / "bench.png"))) == 2
    assert "pip install 'lstm-conformance[bench]'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,0", "a,b,c,d", "1,2,3,-4"])
def test_a_size_is_four_numbers(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--size", text])
    assert ended.value.code == 2
    assert f"{text!r} is not B,T,D,H: four positive whole numbers" in capsys.readouterr().err


def test_importing_it_imports_no_framework() -> None:
    import subprocess

    program = (
        "import sys, pkgutil, importlib, conformance.bench\n"
        "for m in pkgutil.iter_modules(conformance.bench.__path__): importlib.import_module('conformance.bench.' + m.name)\n"
        "print(sorted({'torch', 'keras', 'tensorflow', 'onnx', 'onnxruntime', 'matplotlib'} & set(sys.modules)))"
    )
    ran: Any = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
