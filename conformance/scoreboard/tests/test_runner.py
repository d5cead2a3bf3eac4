"""Engines are installed and tried in environments of their own; what cannot be is told, and stops nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.cli import main
from conformance.errors import MISUSE, ScoreboardError
from conformance.report.html.scoreboard import page
from conformance.scoreboard import runner
from conformance.scoreboard.engine import Engine, engines
from conformance.scoreboard.record import read, record
from conformance.scoreboard.row import Row, by_feature, diagnosis, worst
from conformance.scoreboard.table import markdown

GOOD = engines()["numpy-ml-lstmcell"]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Row], list[str]]:
    """One cheap engine and one whose package cannot be built, tried together."""
    cache = tmp_path_factory.mktemp("engines")
    broken = cache / "broken"
    broken.mkdir()
    (broken / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "gone"\nbackend-path = ["."]\n'
    )
    (broken / "gone.py").write_text('raise RuntimeError("error: this package was made to fail")\n')
    bad = Engine("nobody's LSTM", (f"broken @ {broken.as_uri()}",), name="broken")
    said: list[str] = []
    rows = runner.run([bad, GOOD], cache, 2, False, lambda engine, what: said.append(f"{engine.name} {what}"))
    return cache, {row.name: row for row in rows}, said


def test_an_engine_that_cannot_be_installed_does_not_stop_the_rest(
    tried: tuple[Path, dict[str, Row], list[str]],
) -> None:
    cache, rows, said = tried
    assert rows["broken"].verdict == "not tried"
    assert "made to fail" in rows["broken"].problem
    assert rows[GOOD.name].verdict == "conforms"
    assert rows[GOOD.name].features == {"plain": "conforms"}
    assert rows[GOOD.name].profiles == {"forward": "conforms", "training": "conforms"}
    assert 0 < float(rows[GOOD.name].worst or 0) < 1
    assert {f"{GOOD.name} installing", f"{GOOD.name} on trial"} <= set(said)
    assert not list((cache / "environments").glob("*/broken"))
    assert len(list((cache / "environments").iterdir())) == 1, "nothing of what failed is left"


def test_what_has_been_tried_is_kept_until_something_that_takes_part_changes(
    tried: tuple[Path, dict[str, Row], list[str]],
) -> None:
    cache, rows, _ = tried

    def nothing(engine: Engine, what: str) -> None:
        raise AssertionError(f"{engine.name} {what}")

    assert runner.one(GOOD, cache, False, nothing) == rows[GOOD.name]
    with pytest.raises(AssertionError, match="installing"):
        runner.one(GOOD, cache, True, nothing)
    with pytest.raises(AssertionError, match="installing"):
        runner.one(replace(GOOD, options=("--profile", "forward")), cache, False, nothing)


def test_an_adapter_is_all_that_it_is_made_of() -> None:
    each = engines()
    found = {
        name: {path.name for path in runner._adapter(each[name])}
        for name in ("tf-block-lstm-v2", "tfjs-lstm", "torch-lstm")
    }
    assert found["tf-block-lstm-v2"] == {"tf_block_lstm_v2.py", "tf_block_lstm.py"}
    assert found["tfjs-lstm"] == {"my_lstm.js"}
    assert found["torch-lstm"] == set()


def test_the_page_leads_to_the_reports_and_says_what_failed(tried: tuple[Path, dict[str, Row], list[str]]) -> None:
    cache, rows, _ = tried
    made = record(list(rows.values()))
    text = page(made.as_dict())
    assert f'href="reports/{GOOD.name}.html"' in text
    assert (cache / "reports" / f"{GOOD.name}.html").is_file()
    assert "made to fail" in text
    assert "reports/broken.html" not in text
    (cache / "record.json").write_text(json.dumps(made.as_dict()))
    assert read(cache / "record.json") == made
    assert markdown(made).count("\n| `") == 2


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (
        runner.locked(tmp_path),
        pytest.raises(ScoreboardError, match="another run works in"),
        runner.locked(tmp_path),
    ):
        pass
    with runner.locked(tmp_path):
        pass


def test_a_name_that_is_none_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scoreboard", "lasagne"]) == MISUSE
    assert "there is no engine lasagne" in capsys.readouterr().err


def test_a_feature_has_the_worst_verdict_of_its_cases() -> None:
    statuses = {
        "tiny-float64:output": "passed",
        "mask-right-float64:output": "passed",
        "mask-right-float32:h": "failed",
        "bidirectional-float64:h": "not judged",
        "behaviour:shapes:float64": "failed",
    }
    found = by_feature([{"id": id, "status": status} for id, status in statuses.items()])
    assert found["plain"] == "conforms"
    assert found["mask"] == "does not conform"
    assert found["bidirectional"] == "incomplete"


@pytest.mark.parametrize(("shares", "expected"), [([0.2, None, 3.5], 3.5), ([0.2, "nan", 1e9], "nan"), ([None], None)])
def test_the_worst_share_is_the_largest_and_what_is_not_finite_is_larger(
    shares: list[float | str | None], expected: float | str | None
) -> None:
    assert worst([{"share": share} for share in shares]) == expected


def test_a_diagnosis_says_when_it_is_not_certain() -> None:
    finding = {"bugs": ["a", "b"], "certain": False, "title": "It does.", "explains": 3, "of": 4}
    assert diagnosis({"diagnosis": [finding]}) == "perhaps a + b: It does. (3 of 4 failing checks)"
