"""Layouts there and back, the zoo's adapters, and the declaration of what a candidate lacks."""

from __future__ import annotations

import ast
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

import conformance
from conformance.cases.matrix import Spec
from conformance.errors import CandidateError, LayoutError
from conformance.trial.declare import declared, meets
from conformance.trial.runner import run
from conformance.zoo import adapters

CASE = Spec(2, 4, 3, 5).build()
ORDERS = ["".join(p) for p in permutations("ifco")]


@pytest.mark.parametrize("order", [*ORDERS, "ifgo"])
@pytest.mark.parametrize("split", [False, True])
def test_weights_out_and_gradients_back_are_the_same_numbers(order: str, split: bool) -> None:
    p = CASE.params
    for joined, transposed, biases in product(("", "xh", "hx"), (False, True), (1, 2)):
        layout = conformance.Layout(order, joined, transposed, split, biases)
        weights = layout.weights(p)
        if biases == 2:
            weights = (*weights[:-2], weights[-2], weights[-2])  # as gradients, the two biases' are equal
        back = layout.gradients(CASE, *weights)
        for name, expected in (("d_kernel", p.kernel), ("d_recurrent_kernel", p.recurrent_kernel), ("d_bias", p.bias)):
            np.testing.assert_array_equal(back[name], expected)


def test_the_layout_is_what_its_words_say() -> None:
    p = CASE.params
    assert p.bias is not None
    matrix, bias = conformance.Layout("ifgo", joined="hx", transposed=True).weights(p)
    np.testing.assert_array_equal(matrix, np.concatenate([p.recurrent_kernel, p.kernel]).T)
    np.testing.assert_array_equal(bias, p.bias)
    kernels, recurrents, biases, second = conformance.Layout("oifc", split=True, biases=2).weights(p)
    np.testing.assert_array_equal(kernels[0], p.kernel[:, 15:])
    np.testing.assert_array_equal(recurrents[3], p.recurrent_kernel[:, 10:15])
    np.testing.assert_array_equal(biases[1], p.bias[:5])
    assert not np.any(second)


@pytest.mark.parametrize("axes", ["".join(p) for p in permutations("btf")])
def test_axes_there_and_back(axes: str) -> None:
    layout = conformance.Layout(axes=axes)
    x, h0, c0 = layout.inputs(CASE)
    sizes = {"b": 2, "t": 4, "f": 3}
    assert x.shape == tuple(sizes[axis] for axis in axes)
    assert h0.shape == ((5, 2) if axes.index("f") < axes.index("b") else (2, 5))
    back = layout.result(CASE, d_x=x, d_h0=h0, d_c0=c0)
    np.testing.assert_array_equal(back["d_x"], CASE.x)
    np.testing.assert_array_equal(back["d_c0"], CASE.c0)


def test_a_missing_bias_goes_out_as_zeros_and_its_gradient_does_not_come_back() -> None:
    case = Spec(2, 4, 3, 5, bias=False).build()
    layout = conformance.Layout()
    *_, bias = layout.weights(case.params)
    np.testing.assert_array_equal(bias, np.zeros(20))
    assert "d_bias" not in layout.gradients(case, *layout.weights(case.params))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conformance.Layout("ifcx"), "gates='ifcx' is no layout"),
        (lambda: conformance.Layout(joined="hh"), "joined='hh' is no layout; it is one of '', 'xh', 'hx'"),
        (lambda: conformance.Layout(biases=3), "biases=3"),
        (lambda: conformance.Layout(axes="tb"), "axes='tb'"),
        (lambda: conformance.Layout().gradients(CASE, 1, 2, 3, 4), "4 gradients were given, expected at most 3"),
        (lambda: conformance.Layout(joined="xh").gradients(CASE, CASE.params.kernel), r"stands for shape \(3, 20\)"),
        (lambda: conformance.Layout().result(CASE, dx=CASE.x), "'dx' is none of output, d_x"),
    ],
)
def test_a_layout_that_is_none_is_named(make, message: str) -> None:  # type: ignore[no-untyped-def]  # lambdas
    with pytest.raises(LayoutError, match=message):
        make()


@pytest.mark.parametrize("name", ["batch_first", "column_vectors", "time_major_class", "bidirectional", "padded"])
def test_the_zoo_conforms(name: str) -> None:
    report = run(getattr(adapters, name), name)
    assert report.conforms()
    assert report.profile == "training"


def test_adapters_have_ten_lines_or_fewer_and_stand_in_the_readme() -> None:
    source = Path(adapters.__file__).read_text()
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert len(functions) == 5
    readme = Path(adapters.__file__).parents[1] / "README.md"
    for function in functions:
        first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
        text = "\n".join(source.splitlines()[first - 1 : function.end_lineno])
        assert text.count("\n") < 10
        assert text.replace(": Any", "").replace(" -> Any", "") in readme.read_text(), function.name


def test_one_sample_at_a_time() -> None:
    from conformance.trial.tests import wrong

    single = conformance.one_sample_at_a_time(wrong.correct)
    expected, actual = wrong.correct(CASE), single(CASE)
    for name, array in expected.items():
        np.testing.assert_allclose(actual[name], array, rtol=0, atol=1e-14)
    assert run(single, "single").conforms()


def test_a_declaration_decides_which_cases_are_met() -> None:
    @conformance.candidate(without=("h0", "d_c"))
    def lstm(case: conformance.Case) -> conformance.Result:
        return {}

    assert declared(lstm) == {"h0", "d_c"}
    assert not meets(CASE, declared(lstm))
    assert meets(Spec(2, 4, 3, 5, state=False, cotangents="h").build(), declared(lstm))
    assert meets(Spec(2, 4, 3, 5, bias=False).build(), frozenset({"bias"}))
    assert not meets(CASE, frozenset({"bias"}))
    with pytest.raises(CandidateError, match=r"without=\['dh'\] names neither inputs \(h0, .*nor quantities"):
        conformance.candidate(without="dh")


def test_two_biases_whose_gradients_differ_are_taken_in_the_mean() -> None:
    case = Spec(2, 4, 3, 5).build()
    layout = conformance.Layout("ifco", biases=2)
    gradient = np.arange(4.0 * case.sizes[3])
    zeros = np.zeros_like(case.params.kernel), np.zeros_like(case.params.recurrent_kernel)
    found = layout.gradients(case, *zeros, gradient, gradient + 2)
    np.testing.assert_array_equal(found["d_bias"], gradient + 1)
