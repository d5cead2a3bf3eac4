"""The catalogue's command: it lists, explains, and proves; test_adequacy runs every bug."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.cases.draw import Draw
from conformance.cli import main
from conformance.diagnosis.bugs import adequacy, bugs, catalogue, network_bugs
from conformance.diagnosis.bugs.catalogue import readable
from conformance.diagnosis.bugs.declarations import USUAL, cases, shows
from conformance.diagnosis.bugs.entry import GROUPS, NETWORK_GROUPS, enter
from conformance.diagnosis.bugs.hookable import HookableLSTM
from conformance.diagnosis.bugs.hypothesis import FORMULAS, STEPWISE, Hypothesis
from conformance.diagnosis.bugs.seen import SEEN
from conformance.diagnosis.probes import drawn
from conformance.trial.call import copied
from conformance.trial.declare import meets

FEW = ("gate-order-iofc", "state-leaks", "grad-batch-mean")


def test_listed_by_group_with_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bugs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"{len(bugs())} bugs, and {len(network_bugs())} of networks;")
    groups, every = [line.split()[0] for line in lines[:-2]], GROUPS + NETWORK_GROUPS
    assert sorted(groups, key=every.index) == groups
    assert set(groups) == set(every)


def test_one_of_networks_is_explained_with_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bugs", "mask-late"]) == 0
    printed = capsys.readouterr().out
    assert "mask-late (masks)" in printed
    assert "Needs:   mask" in printed


def test_one_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bugs", "grad-cell-overwritten"]) == 0
    printed = capsys.readouterr().out
    assert "grad-cell-overwritten (backward)" in printed
    assert "Repair:  dc += dh * o" in printed
    assert "Seen:    https://github.com/apache/mxnet/issues/4057" in printed


def test_what_was_seen_in_public_is_of_bugs_that_there_are() -> None:
    assert set(SEEN) <= {bug.slug for bug in bugs().values()} | {bug.family for bug in bugs().values()}


def test_an_unknown_one_is_misuse_and_like_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bugs", "final-state"]) == 2
    assert (
        "there are final-states-swapped, final-state-first-step, final-states-of-last-layer" in capsys.readouterr().err
    )
    assert main(["bugs", "--json", "x"]) == 2
    assert main(["bugs", "--without", "h0"]) == 2
    assert "--without goes with --matrix." in capsys.readouterr().err
    assert main(["bugs", "--matrix", "--without", "h0,dh"]) == 2
    assert "without=['dh'] names neither inputs (h0, c0" in capsys.readouterr().err
    assert main(["bugs", "--matrix", "--diagnose", "3"]) == 2
    assert main(["bugs", "--diagnose", "-1"]) == 2
    assert "-1 random LSTMs were asked for; expected 0 or more." in capsys.readouterr().err


def test_families_have_their_members() -> None:
    members: dict[str, int] = {}
    for bug in bugs().values():
        members[bug.family] = members.get(bug.family, 0) + 1
    assert members["gate-order"] == 23
    assert members["sigmoid-epsilon"] == 3
    assert members["grad-x-misses-gate"] == 4


def test_a_slug_is_entered_once_and_into_a_group_that_there_is() -> None:
    with pytest.raises(ValueError, match="in the catalogue already"):
        enter("cell", "gates-tanh", "t", "s", "r")(HookableLSTM)
    with pytest.raises(ValueError, match="is no group"):
        enter("elsewhere", "new", "t", "s", "r")(HookableLSTM)


def test_the_matrix_says_what_is_caught_and_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [catch for slug in FEW for catch in adequacy.catches(slug)]
    monkeypatch.setattr(adequacy, "matrix", lambda progress, without: found)
    assert main(["bugs", "--matrix", "--json", str(tmp_path / "matrix.json")]) == 0
    printed = capsys.readouterr().out
    assert "3 bugs in 2 dtypes: 6 of 6 caught" in printed
    assert "ONNX's LSTM node tests, by their own measure, catch" in printed
    written = json.loads((tmp_path / "matrix.json").read_text())
    assert "repeatable" in written["bugs"]["state-leaks"]["float32"]["behaviours"]
    assert set(written["bugs"]["grad-batch-mean"]["float64"]["margins"]) == {"d_kernel", "d_recurrent_kernel", "d_bias"}

    missed = adequacy.Catch("new", "float64", {"output": 3.0}, ())
    monkeypatch.setattr(adequacy, "matrix", lambda progress, without: [*found, missed, missed])
    assert main(["bugs", "--matrix"]) == 1
    assert "6 of 8 caught" in capsys.readouterr().out


def test_the_matrix_of_a_declaration_leaves_out_what_cannot_show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {slug: bugs()[slug] for slug in ("gates-tanh", "h0-ignored", "dtype-widened")}
    monkeypatch.setattr(adequacy, "bugs", lambda: few)
    assert main(["bugs", "--matrix", "--without", "h0,c0,d_h,d_c,float32"]) == 0
    printed = capsys.readouterr().out
    assert "that cannot show in a candidate without c0, d_c, d_h, float32, h0: h0-ignored" in printed
    assert "2 bugs that can show in float64: 2 of 2 caught" in printed
    assert "times the allowed error, gates-tanh in float64" in printed
    assert "ONNX" not in printed

    monkeypatch.setattr(adequacy, "ENOUGH", float("inf"))
    assert main(["bugs", "--matrix", "--without", "h0"]) == 1


def test_the_matrix_of_the_usual_declarations_is_a_line_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {name: adequacy.usual_catches("gates-tanh")[name] for name in USUAL}
    monkeypatch.setattr(adequacy, "usual_matrix", lambda progress: found)
    assert main(["bugs", "--matrix", "--without", "usual", "--json", str(tmp_path / "usual.json")]) == 0
    printed = capsys.readouterr().out
    assert all(any(line.startswith(f"{name} ") for line in printed.splitlines()) for name in USUAL)
    assert f"{len(USUAL)} declarations: every bug that can show is caught in {len(USUAL)}" in printed
    assert json.loads((tmp_path / "usual.json").read_text()).keys() == USUAL.keys()

    found["no states"] = [adequacy.Catch("new", "float64", {"output": 3.0}, ())]
    assert main(["bugs", "--matrix", "--without", "usual"]) == 1
    assert "not caught, no states: new" in capsys.readouterr().out


@pytest.mark.parametrize(
    "slug", ["sigmoid-clipped", "grad-clipped-norm-5", "dtype-widened", "h0-ignored", "state-leaks"]
)
def test_what_is_shared_between_declarations_is_what_each_gives_by_itself(slug: str) -> None:
    shared = adequacy.usual_catches(slug)
    for name in ("no states, no bias", "no c0 and d_c", "final output only", "forward only", "float32 only"):
        for one, other in zip(shared[name], adequacy.catches(slug, USUAL[name]), strict=True):
            assert (one.dtype, one.caught, one.shows) == (other.dtype, other.caught, other.shows), name
            if slug != "state-leaks":  # whose numbers depend on which cases came before
                assert one.margins == other.margins, name


def test_a_bug_shows_where_a_candidate_can_show_it() -> None:
    def hidden(name: str) -> set[str]:
        return {slug for slug in bugs() if bugs()[slug].group != "backward" and not shows(slug, USUAL[name])}

    initial = {"h0-ignored", "c0-ignored", "h0-c0-swapped", "batch-leak"}
    assert hidden("no initial state") == initial
    assert hidden("no states") == initial | {"final-states-swapped", "final-cell-tanh", "final-state-first-step"}
    assert hidden("no bias") == {
        "bias-doubled", "bias-first-step-only", "bias-halved", "bias-ignored", "sigmoid-overflow",
    }  # fmt: skip
    assert hidden("final output only, from any state") == {"final-cell-tanh", "output-lagged", "output-aliased"}
    assert hidden("float32 only") == set()
    assert not any(shows(slug, USUAL["forward only"]) for slug in bugs() if bugs()[slug].group == "backward")
    assert not shows("grad-x-misses-gate-i", USUAL["no d_x"])
    assert shows("grad-recurrent-skips-first", USUAL["no c0 and d_c"])


def test_what_decides_are_cases_that_meet_the_declaration() -> None:
    for without in USUAL.values():
        drawn = list(cases(without))
        assert all(meets(case, without - {"float64"}) for case in drawn)
        assert any(case.sizes[1] >= 100 for case in drawn)


def fingerprint(result: dict[str, Any]) -> bytes:
    """Nine decimals of all numbers."""
    return b"".join((np.round(result[name], 9) + 0.0).tobytes() for name in sorted(result))


def test_no_two_entries_are_the_same_function_of_small_cases() -> None:
    case = drawn("float64", 3, 7, 2, 3)
    case = replace(case, x=3 * case.x, c0=3 * case.c0)
    alike: dict[bytes, list[str]] = {}
    for slug, bug in readable().items():
        with np.errstate(all="ignore"):
            result = dict(bug.make()(copied(case)))
        alike.setdefault(fingerprint(result), []).append(slug)
    right = dict(HookableLSTM()(case))
    plain = alike.pop(fingerprint(right))
    assert {"grad-clipped-5", "sequence-truncated-10"} <= set(plain)  # what shows elsewhere
    assert [slugs for slugs in alike.values() if len(slugs) > 1] == []


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_two_entries_are_together_one_lstm(start: int) -> None:
    slugs, case = list(readable()), drawn("float64", 3, 2, 2, 3)
    draw = Draw("two entries")
    for place in draw.integers(len(slugs), 40, 2)[start : start + 10].tolist():
        chosen = tuple(dict.fromkeys(slugs[n] for n in place))
        for gradients in (FORMULAS, STEPWISE):
            with np.errstate(all="ignore"):
                assert set(Hypothesis(chosen, gradients).fresh()(case)) == set(case.shapes)


def test_each_candidate_is_its_own() -> None:
    assert catalogue.bugs()["state-leaks"].candidate() is not catalogue.bugs()["state-leaks"].candidate()
