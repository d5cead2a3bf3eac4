"""`lstm-conformance train` from its options to its table and its plot."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance import cli
from conformance.cases.tasks import TASKS
from conformance.cli import main

SVG = "{http://www.w3.org/2000/svg}"


def rows(printed: str) -> dict[str, list[str]]:
    """The table's lines by their first word."""
    return {line.split()[0]: line.split()[1:] for line in printed.splitlines() if re.match(r" *(\d|after)", line)}


def test_the_losses_of_all_three_are_shown_by_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "counting", "--epochs", "12"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("counting: the number that comes next; 12 epochs of 4 updates in float64\n")
    table = rows(printed)
    assert list(table) == ["1", "2", "5", "10", "12", "after"]
    assert table["1"][3] == "69.1"
    for epoch, cells in table.items():
        ref, torch, keras = map(float, cells[:3])
        assert ref == pytest.approx(torch, rel=1e-7), epoch
        assert ref == pytest.approx(keras, rel=1e-7), epoch
        assert epoch == "after" or 0 <= float(cells[-1]) < 1e-14
    losses = [float(cells[0]) for cells in table.values()]
    assert sorted(losses, reverse=True) == losses


def test_the_step_on_one_cell_lowers_its_loss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cell", "--dtype", "float32"]) == 0
    printed = capsys.readouterr().out
    assert "1 epoch of 1 update in float32" in printed
    table = rows(printed)
    assert float(table["after"][0]) < float(table["1"][0])


def test_the_plot_has_a_curve_of_each(tmp_path: Path) -> None:
    assert main(["train", "classification", "--epochs", "6", "--plot", str(tmp_path / "plot.svg")]) == 0
    root = ElementTree.parse(tmp_path / "plot.svg").getroot()
    paths = [path.attrib["d"] for path in root.iter(f"{SVG}path")]
    assert len(paths) == 3
    assert len(set(paths)) == 1, "the curves lie on each other"
    assert paths[0].count("L") == 6, "a point before each epoch and one after the last"
    places = [[float(number) for number in point.split()] for point in paths[0][1:].split("L")]
    assert [x for x, _ in places] == sorted({x for x, _ in places})
    assert [y for _, y in places] == sorted(y for _, y in places), "downwards, as the loss"
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"ref", "torch", "keras", "epochs done"} <= words


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--plot", "plot.png"], "--plot plot.png: expected a file ending in .svg."),
        (["--plot", "nowhere/plot.svg"], "there is no directory nowhere to write plot.svg to."),
    ],
)
def test_a_plot_that_could_not_be_written_is_refused_before_training(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "sine", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_without_frameworks_the_reference_trains_alone() -> None:
    blocked = "import sys; sys.modules |= {'torch': None, 'tensorflow': None, 'keras': None}; "
    program = "from conformance.cli import main; main(['train', 'cell'])"
    done = subprocess.run([sys.executable, "-c", blocked + program], capture_output=True, text=True, check=True)
    assert "not trained: torch needs torch, which is not installed" in done.stderr
    assert "not trained: keras needs keras, which is not installed" in done.stderr
    assert "epoch          ref  published    apart" in done.stdout


def test_the_tasks_are_those_that_there_are() -> None:
    assert set(cli.TASKS) == set(TASKS)
    assert len(cli.TASKS) == len(TASKS)
