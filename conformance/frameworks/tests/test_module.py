"""Modules of PyTorch: its own, and homemade ones of seven kinds; what is open is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import conformance
from conformance.cases.matrix import Spec
from conformance.errors import CandidateError
from conformance.frameworks.tests import homemade
from conformance.frameworks.tests.test_function import CASE, NO_BIAS, assert_right
from conformance.trial.declare import declared
from conformance.trial.runner import run

Layout = conformance.Layout


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch.compile looks at it
@pytest.mark.parametrize(
    "given",
    [
        nn.LSTM(1, 1, batch_first=True),
        nn.LSTM(7, 9),
        nn.LSTMCell(1, 1),
        nn.LSTM,
        lambda D, H: nn.LSTM(D, H, batch_first=True),
        lambda D, H: torch.compile(nn.LSTMCell(D, H), backend="eager"),
    ],
    ids=["batch-first", "time-major", "cell", "class", "factory", "compiled-cell"],
)
def test_pytorchs_own_are_known(given: Any) -> None:
    lstm = conformance.module(given)
    for case in (CASE, NO_BIAS, Spec(3, 2, 5, 4, "float32").build()):
        if case.dtype == np.float64:
            assert_right(lstm(case), case)
        assert {array.dtype for array in lstm(case).values()} == {case.dtype}


def test_pytorchs_lstm_conforms_throughout() -> None:
    report = run(conformance.module(nn.LSTM(1, 1, batch_first=True)), "nn.LSTM")
    assert report.conforms()
    assert report.counts()["passed"] == 2036


@pytest.mark.parametrize(
    ("given", "layout", "call", "passed"),
    [
        (homemade.Fused, Layout("ocfi"), None, 2036),
        (homemade.KerasNames, Layout(axes="tbf"), None, 400),
        (homemade.GateByGate, None, None, 2036),
        (homemade.OneLinear, Layout("ifog", joined="hx"), homemade.over_time, 2036),
        (homemade.TwoLinears, None, None, 2036),
        (homemade.AroundACell, None, None, 2036),
    ],
)
def test_homemade_modules_conform(given: Any, layout: Any, call: Any, passed: int) -> None:
    report = run(conformance.module(given, layout=layout, call=call), "homemade")
    assert report.conforms()
    assert report.counts()["passed"] >= passed


def test_a_module_without_states_or_bias_declares_it_and_further_declarations_are_added() -> None:
    lstm = conformance.module(homemade.LinearPerGate, layout=Layout(joined="xh"))
    assert declared(lstm) == {"h0", "c0"}
    report = run(conformance.candidate(without=("h", "c", "d_h", "d_c"))(lstm), "stateless")
    assert report.conforms()
    assert report.without == {"h0", "c0", "h", "c", "d_h", "d_c"}
    assert declared(conformance.module(homemade.KerasNames, layout=Layout())) == {"bias"}
    assert declared(conformance.module(nn.LSTM(1, 1, bias=False))) == {"bias"}
    assert declared(conformance.module(nn.LSTM(1, 1))) == set()


def test_a_bug_in_a_homemade_module_is_seen_and_is_no_layout() -> None:
    class Wrong(homemade.GateByGate):
        def forward(self, x: Any, states: Any) -> Any:
            h, c = states
            return super().forward(x, (h.detach(), c))

    report = run(conformance.module(Wrong), "wrong")
    assert report.conforms("forward")
    assert {r.quantity for r in report.failures} == {"d_h0"}


@pytest.mark.parametrize(
    ("given", "call", "message"),
    [
        (
            homemade.Fused,
            None,
            r"the order of its gates in weight_ih: say it, as layout=conformance.Layout\(gates=\"ifgo\"\)\. "
            r"With layout=conformance.Layout\(gates=\"ocfi\"\) it gives an LSTM's outputs",
        ),
        (
            homemade.OneLinear,
            homemade.over_time,
            r"the order of its gates and which of x and h is first in gates.weight: .*"
            r"With layout=conformance.Layout\(gates=\"ifoc\", joined=\"hx\"\) it gives",
        ),
        (
            homemade.LinearPerGate,
            None,
            r"which of x and h is first in input_gate.weight, forget_gate.weight.* With layout=.*joined=\"xh\"\) it gives",
        ),
        (homemade.Fused(3, 4), None, r"a Fused has one size, .* conformance.module\(lambda D, H: Fused\(D, H\)\)"),
        (lambda D, H: homemade.GateByGate(10, 20), None, r"the parameter W_xf has shape \(10, 20\) with D=3, H=5"),
        (nn.LSTM(3, 4, num_layers=2), None, "num_layers=2: conformance.module takes one plain layer"),
        (nn.LSTM(3, 4, bidirectional=True), None, "the LSTM has bidirectional=True"),
        (lambda D, H: nn.LSTM(D, H, proj_size=2), None, "the LSTM has proj_size=2"),
        (lambda D, H: nn.GRU(D, H), None, r"the parameter weight_ih_l0 has shape \(15, 3\)"),
        (lambda D, H: None, None, "what was made is a NoneType, expected a module of PyTorch"),
        (lambda D: nn.LSTM(D, D), None, "no module could be made with D=3, H=5: TypeError"),
        (lambda D, H: nn.Sequential(nn.Linear(D, 4 * H), nn.LSTM(4 * H, H)), None, "is none of an LSTM layer's"),
    ],
)
def test_what_is_open_or_no_layer_is_refused_with_what_to_do(given: Any, call: Any, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        conformance.module(given, call=call)


def test_gates_without_names_are_refused() -> None:
    class Numbered(homemade.OneLinear):
        def __init__(self, D: int, H: int) -> None:
            nn.Module.__init__(self)
            self.x = nn.ModuleList([nn.Linear(D, H) for _ in range(4)])
            self.h = nn.ModuleList([nn.Linear(H, H) for _ in range(4)])

    with pytest.raises(CandidateError, match=r"which of x.0.weight, .* is for which gate, its name does not tell"):
        conformance.module(Numbered)


def test_how_a_module_is_called_is_asked_for_where_its_arguments_do_not_tell() -> None:
    class Odd(homemade.Fused):
        def forward(self, *given: Any) -> Any:
            return super().forward(given[0], given[1:])

    with pytest.raises(CandidateError, match=r"Odd takes \(\*given.*Say how it is called, as call="):
        conformance.module(Odd, layout=Layout("ocfi"))
    lstm = conformance.module(Odd, layout=Layout("ocfi"), call=lambda module, x, h0, c0: module(x, h0, c0))
    assert_right(lstm(CASE))
