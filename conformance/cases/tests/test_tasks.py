"""The tasks are the same numbers on every machine and in both dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.cases.tasks import GRID, TASKS


@pytest.mark.parametrize("name", TASKS)
def test_every_number_is_on_float32s_grid(name: str) -> None:
    task = TASKS[name]()
    arrays = [*task.model.weights.values(), *(x for x, _ in task.batches), *(y for _, y in task.batches)]
    for array in (*arrays, *(task.state or ())):
        np.testing.assert_array_equal(array * GRID, np.round(array * GRID))
        assert np.abs(array).max() < 16
    narrow = task.astype("float32")
    assert {weight.dtype.name for weight in narrow.model.weights.values()} == {"float32"}
    for ours, wide in zip(narrow.model.weights.values(), task.model.weights.values(), strict=True):
        np.testing.assert_array_equal(ours, wide)
    for (x, y), (wide_x, wide_y) in zip(narrow.batches, task.batches, strict=True):
        assert x.dtype == np.float32
        assert y.dtype == (np.float32 if wide_y.dtype == np.float64 else wide_y.dtype)
        np.testing.assert_array_equal(x, wide_x)
        np.testing.assert_array_equal(y, wide_y)


def test_an_epochs_loss_is_a_mean_or_a_sum_as_the_loss_is() -> None:
    counting, sine = TASKS["counting"](), TASKS["sine"]()
    assert counting.by_epoch([1.0, 2.0, 3.0, 4.0, 5.0]).tolist() == [2.5]
    assert sine.by_epoch(np.ones(160)).tolist() == [75.0, 75.0]


def test_the_tasks_have_the_sizes_that_were_published() -> None:
    sine, counting, vectors = (TASKS[name]() for name in ("sine", "counting", "vectors"))
    assert (len(sine.batches), sine.batches[0][0].shape, sine.model.params.hidden_size) == (75, (1, 25, 1), 32)
    assert (len(counting.batches), counting.batches[0][0].shape, counting.model.params.hidden_size) == (4, (1, 6, 1), 8)
    assert counting.batches[-1][0].ravel().tolist() == [4, 5, 6, 7, 8, 9]
    assert counting.batches[-1][1].tolist() == [[10.0]]
    assert (vectors.batches[0][0].shape, vectors.model.params.hidden_size) == ((1, 4, 50), 100)
    assert max(np.abs(weight).max() for weight in vectors.model.weights.values()) <= 0.1


def test_the_rows_of_an_orthogonal_kernel_are_orthonormal_but_for_the_grid() -> None:
    kernel = TASKS["sine"]().model.params.recurrent_kernel
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(32), atol=1e-5)
