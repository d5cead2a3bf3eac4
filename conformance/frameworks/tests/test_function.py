"""Functions of tensors with the gradients of PyTorch's autograd, and what holds for those of every framework."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import conformance
from conformance.cases.matrix import Spec
from conformance.errors import CandidateError
from conformance.trial.call import COMPILING, PATIENCE, InThread
from conformance.trial.declare import declared, declared_compiles
from conformance.trial.given import find
from conformance.trial.runner import in_order, run, trials
from conformance.trial.tests import wrong

CASE = Spec(2, 4, 3, 5).build()
NO_BIAS = Spec(2, 4, 3, 5, bias=False).build()
STATELESS = ("h0", "c0")


def steps(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> tuple[list[Any], Any, Any]:
    """Batch first, gates i f g o."""
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ W + h @ U + b).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return outputs, h, c


def whole(*arguments: Any) -> Any:
    outputs, h, c = steps(*arguments)
    return torch.stack(outputs, dim=1), h, c


def column_vectors(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any, b2: Any) -> Any:
    """One matrix and two biases per gate o c i f, which act from the left; time first, samples are columns."""
    outputs = []
    for t in range(x.shape[0]):
        o, g, i, f = (W[k] @ x[t] + U[k] @ h + b[k][:, None] + b2[k][:, None] for k in range(4))
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), h, c


def joined(x: Any, h: Any, c: Any, W: Any, b: Any) -> Any:
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = (torch.cat([h, x[:, t]], dim=1) @ W + b).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs, dim=1), h, c


def assert_right(result: Any, case: Any = CASE) -> None:
    expected = wrong.correct(case)
    assert set(result) == set(case.shapes)
    for name, array in result.items():
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-13, err_msg=name)


def test_a_correct_function_conforms_with_all_gradients() -> None:
    report = run(conformance.autograd("torch")(whole), "torch")
    assert report.conforms()
    assert report.profile == "training"
    assert report.counts() == {**dict.fromkeys(report.counts(), 0), "checks": 2036, "passed": 2036}


def test_a_detached_carry_is_seen_in_the_gradients_alone() -> None:
    @conformance.autograd("torch")
    def detached(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        outputs = []
        for t in range(x.shape[1]):
            one, h, c = whole(x[:, t : t + 1], h, c.detach(), W, U, b)
            outputs.append(one[:, 0])
        return torch.stack(outputs, dim=1), h, c

    report = run(detached, "detached")
    assert report.conforms("forward")
    assert not report.conforms("training")
    assert {r.quantity for r in report.failures} >= {"d_c0", "d_h0", "d_x", "d_kernel"}


def test_a_state_that_is_detached_only_where_it_is_returned_is_seen() -> None:
    def detached(*arguments: Any) -> Any:
        output, h, c = whole(*arguments)
        return output, h, c.detach()

    result, expected = conformance.autograd("torch")(detached)(CASE), wrong.correct(CASE)
    np.testing.assert_allclose(result["c"], expected["c"], atol=1e-13)
    assert np.abs(result["d_c0"] - expected["d_c0"]).max() > 1e-3


def test_what_a_function_does_not_use_has_a_gradient_of_zero() -> None:
    def forgets(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        return whole(x, h, c, W, torch.zeros_like(U), b)

    result = conformance.autograd("torch")(forgets)(CASE)
    assert not result["d_recurrent_kernel"].any()
    assert result["d_kernel"].any()
    assert not run(conformance.autograd("torch")(forgets), "forgets").conforms()


@pytest.mark.parametrize(
    ("function", "layout"),
    [
        (whole, None),
        (column_vectors, conformance.Layout("ocif", transposed=True, split=True, biases=2, axes="tfb")),
        (joined, conformance.Layout(joined="hx")),
    ],
)
@pytest.mark.parametrize("case", [CASE, NO_BIAS], ids=["bias", "no-bias"])
def test_the_layout_is_the_functions_own(function: Any, layout: Any, case: Any) -> None:
    assert_right(conformance.autograd("torch", layout=layout)(function)(case), case)


@pytest.mark.parametrize(
    "returned",
    [
        lambda y, h, c: (y, h, c),
        lambda y, h, c: [y, h, c],
        lambda y, h, c: (y, (h, c)),
        lambda y, h, c: (y, [h[None], c[None]]),
        lambda y, h, c: (list(y.unbind(1)), h, c),
        lambda y, h, c: {"c": c, "output": y, "h": h},
    ],
)
def test_the_usual_ways_to_return(returned: Any) -> None:
    assert_right(conformance.autograd("torch")(lambda *a: returned(*whole(*a)))(CASE))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda y, h, c: None, "it returned None; expected output, h, c or"),
        (lambda y, h, c: (y, h), "it returned a tuple of 2; expected"),
        (lambda y, h, c: {"y": y}, "it returned a mapping of 'y'; expected"),
        (lambda y, h, c: y, r'no h, and the case has a d_h: return h too, or declare .*without=\("h", "d_h"\)'),
        (
            lambda y, h, c: (y.swapaxes(0, 1), h, c),
            r"its output has shape \(4, 2, 5\), expected \(2, 4, 5\): axes 'btf'",
        ),
        (lambda y, h, c: (y, h.T, c), r"its h has shape \(5, 2\), expected \(2, 5\): axes 'bf'"),
        (lambda y, h, c: (y, h, 0.0), "its c is a float, expected an array"),
        (lambda y, h, c: (y.detach(), h.detach(), c.detach()), "no gradient flows out of output, h, c"),
    ],
)
def test_what_is_no_result_is_refused(returned: Any, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        conformance.autograd("torch")(lambda *a: returned(*whole(*a)))(CASE)


def test_declarations_decide_what_a_function_is_given_on_either_side_of_the_decorator() -> None:
    def without_states(x: Any, W: Any, U: Any, b: Any) -> Any:
        zeros = x.new_zeros(len(x), U.shape[0])
        return whole(x, zeros, zeros, W, U, b)[0]

    lacks = conformance.candidate(without=(*STATELESS, "d_h", "d_c", "h", "c"))
    for lstm in (
        lacks(conformance.autograd("torch")(without_states)),
        conformance.autograd("torch")(lacks(without_states)),
    ):
        report = run(lstm, "stateless")
        assert report.conforms()
        assert report.without == {*STATELESS, "d_h", "d_c", "h", "c"}
        assert report.counts()["passed"] > 150

    @conformance.candidate(without=("bias",))
    @conformance.autograd("torch", layout=conformance.Layout(biases=2))
    def without_bias(x: Any, h: Any, c: Any, W: Any, U: Any) -> Any:
        return whole(x, h, c, W, U, 0.0)

    assert_right(without_bias(NO_BIAS), NO_BIAS)


def test_a_function_without_cotangents_is_judged_forward() -> None:
    lstm = conformance.candidate(without=("d_output", "d_h", "d_c"))(conformance.autograd("torch")(whole))
    assert set(lstm(CASE)) == {"output", "h", "c"}
    assert run(lstm, "forward").profile == "forward"


def test_a_function_that_writes_to_its_arguments_is_found_out() -> None:
    def writes(x: Any, *others: Any) -> Any:
        with torch.no_grad():
            x[0, 0, 0] += 1
        return whole(x, *others)

    with pytest.raises(CandidateError, match="it wrote to one of its arguments"):
        conformance.autograd("torch")(writes)(CASE)


def test_single_precision_inside_is_not_hidden() -> None:
    def narrow(*arguments: Any) -> Any:
        return whole(*(a.float() for a in arguments))

    report = run(conformance.autograd("torch")(narrow), "narrow")
    assert not report.conforms()
    assert {r.trial.rpartition("-")[2] for r in report.failures if not r.behaviour} == {"float64"}
    assert [r.quantity for r in report.remarks] == ["dtype"]


def test_features_that_a_function_is_not_told_of_are_refused() -> None:
    lstm = conformance.candidate(features=("mask",))(conformance.autograd("torch")(whole))
    masked = next(
        trial.case for trial in trials("fixtures", features=frozenset({"mask"})) if trial.case.mask is not None
    )
    with pytest.raises(CandidateError, match="the case asks for mask, of which a function"):
        lstm(masked)


@pytest.mark.parametrize(
    ("given", "message"), [(whole, "it was given a function"), ("pytorch", "'pytorch' is none of them")]
)
def test_the_framework_is_to_be_named(given: Any, message: str) -> None:
    with pytest.raises(CandidateError, match=f'write @conformance.autograd\\("torch"\\).*{message}'):
        conformance.autograd(given)


def test_a_compiled_function_is_compiled_once_for_each_length_and_never_given_up() -> None:
    compiled: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(len(inputs))
        return graph.forward

    short = [trial for trial in trials("fixtures", ("float64",)) if trial.case.sizes[1] <= 17]
    call = InThread(conformance.autograd("torch")(torch.compile(whole, backend=backend)))
    ordered = in_order(call, short)
    for trial in ordered:
        assert not call(trial.case).failure
    lengths = {trial.case.sizes[1] for trial in short}
    shapes = {trial.case.sizes for trial in short}
    assert len(shapes) > 40 > len(lengths) > 12
    assert (
        8 < len(lengths) <= len(compiled) <= len(lengths) + 8
    )  # sizes of 1, and the first shape, are kinds of their own
    before = len(compiled)
    for trial in ordered:
        call(trial.case)
    assert len(compiled) == before


def test_what_compiles_meets_shapes_in_a_row_and_has_time_for_each() -> None:
    every = trials("fixtures")
    compiling, plain = InThread(conformance.autograd("torch")(whole), 2.0), InThread(wrong.correct, 2.0)
    assert in_order(plain, every) == every
    keys = [(trial.case.dtype, trial.case.sizes) for trial in in_order(compiling, every)]
    changes = sum(one != other for one, other in pairwise(keys))
    assert changes == len(set(keys)) - 1
    assert len({trial.id for trial in in_order(compiling, every)}) == len(every)
    compiling.calls = plain.calls = 1
    assert [compiling._patience(case) for case in (CASE, CASE, NO_BIAS)] == [2 * COMPILING, 2, 2 * COMPILING]
    assert [plain._patience(case) for case in (CASE, CASE)] == [2, 2]
    assert COMPILING > PATIENCE


def test_who_compiles_by_other_means_declares_it() -> None:
    assert declared_compiles(conformance.candidate(compiles=True)(lambda case: {}))
    assert not declared_compiles(conformance.candidate()(lambda case: {}))
    inner = conformance.candidate(without="c", compiles=True)(lambda *a: None)
    assert declared(conformance.autograd("torch")(inner)) == {"c"}


def test_what_is_asked_for_at_import_is_said_without_a_place_in_our_own_code(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import conformance\n\nlstm = conformance.autograd('pytorch')\n")
    with pytest.raises(CandidateError) as caught:
        find(f"{file}:lstm")
    assert str(caught.value) == (
        f"{file}: write @conformance.autograd(\"torch\"), or one of torch, jax, tensorflow: 'pytorch' is none of them."
    )
