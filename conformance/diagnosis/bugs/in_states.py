"""States, axes and time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.case import Case
from conformance.diagnosis.bugs.entry import enter
from conformance.diagnosis.bugs.hookable import HookableLSTM, Step


def _inputs(slug: str, title: str, shows: str, repair: str, change: Any) -> None:
    """A bug in what is made of x, h0 and c0."""

    class OtherInputs(HookableLSTM):
        def inputs(self, case: Case) -> Any:
            return change(*super().inputs(case))

    enter("states", slug, title, shows, repair)(OtherInputs)


_inputs(
    "h0-ignored", "The initial h is taken as zero.", "Hidden by a zero initial state.", "Begin with the h0 that was given.",
    lambda x, h, c: (x, np.zeros_like(h), c),
)  # fmt: skip
_inputs(
    "c0-ignored", "The initial c is taken as zero.", "Hidden by a zero initial state.", "Begin with the c0 that was given.",
    lambda x, h, c: (x, h, np.zeros_like(c)),
)  # fmt: skip
_inputs(
    "h0-c0-swapped", "The initial h and c are exchanged.", "Hidden by equal or zero initial states.",
    "The state is (h, c), in this order; Flax has (c, h).", lambda x, h, c: (x, c, h),
)  # fmt: skip


def _finish(slug: str, title: str, shows: str, repair: str, change: Any) -> None:
    """A bug in what is given as output, h and c."""

    class OtherFinish(HookableLSTM):
        def finish(self, steps: list[Step], h0: Any, c0: Any) -> Any:
            return change(*super().finish(steps, h0, c0), steps)

    enter("states", slug, title, shows, repair)(OtherFinish)


_finish(
    "final-states-swapped", "The final state is given as (c, h).", "The outputs are right.", "Give (h, c).",
    lambda y, h, c, steps: (y, c, h),
)  # fmt: skip
_finish(
    "final-cell-tanh", "tanh(c) is given as the final c.", "Only c is wrong; hidden by a small c.", "Give c itself.",
    lambda y, h, c, steps: (y, h, np.tanh(c)),
)  # fmt: skip
_finish(
    "final-state-first-step", "The state after the first step is given as the final one.", "Hidden by T = 1.",
    "Give the state after the last step.", lambda y, h, c, steps: (y, steps[0].h_next, steps[0].c_next),
)  # fmt: skip
_finish(
    "output-lagged", "output[t] is the state before the step, not after it.", "The final state is right.",
    "Store h after it was computed.", lambda y, h, c, steps: (np.stack([s.h for s in steps], 1), h, c),
)  # fmt: skip
_finish(
    "output-aliased", "Every output is the last one: the list holds one array many times.", "Hidden by T = 1.",
    "Store a copy of h at each step, or compute into a new array.",
    lambda y, h, c, steps: (np.repeat(h[:, None], len(steps), axis=1), h, c),
)  # fmt: skip


@enter(
    "states",
    "state-leaks",
    "The state is kept between calls.",
    "The second call is wrong.",
    "Begin each call with the state that it is given.",
)
class StateLeaks(HookableLSTM):
    def inputs(self, case: Any) -> Any:
        kept = getattr(self, "kept", None)
        h = case.h0 if kept is None or kept.shape != case.h0.shape else case.h0 + kept.astype(case.dtype)
        return case.x, h, case.c0

    def finish(self, steps: Any, h0: Any, c0: Any) -> Any:
        self.kept = steps[-1].h_next
        return super().finish(steps, h0, c0)


@enter(
    "states",
    "state-leaks-instead",
    "Each call begins with the state that the last one ended with, whatever state it is given.",
    "The second call is wrong.",
    "Begin each call with the state that it is given; zeros if none is.",
    family="state-leaks",
)
class StateKept(HookableLSTM):
    def inputs(self, case: Any) -> Any:
        h, c = getattr(self, "kept", (case.h0, case.c0))
        fits = h.shape == case.h0.shape
        return case.x, *((h.astype(case.dtype), c.astype(case.dtype)) if fits else (case.h0, case.c0))

    def finish(self, steps: Any, h0: Any, c0: Any) -> Any:
        self.kept = steps[-1].h_next, steps[-1].c_next
        return super().finish(steps, h0, c0)


@enter(
    "states",
    "grad-accumulates",
    "The weights' gradients are added to those of earlier calls with arrays of the same shapes.",
    "The second call is wrong, in d_kernel, d_recurrent_kernel and d_bias alone.",
    "Begin each call with zeros, or give the sum to who asks for it under another name.",
)
class GradientsAccumulate(HookableLSTM):
    def write(self, dW: Any, dU: Any, db: Any) -> Any:
        kept: dict[Any, Any] = self.__dict__.setdefault("sums", {})
        key = dW.shape, dU.shape, dW.dtype
        before = kept.get(key, (0, 0, 0))
        kept[key] = tuple(old + new for old, new in zip(before, super().write(dW, dU, db), strict=True))
        return kept[key]


@enter(
    "states",
    "input-mutated",
    "The input is written to.",
    "The caller's arrays have changed after the call.",
    "Work on copies, or into arrays of your own.",
)
class InputMutated(HookableLSTM):
    def __call__(self, case: Any) -> Any:
        result = super().__call__(case)
        case.x[...] *= 0.5
        return result


@enter(
    "states",
    "batch-time-swapped",
    "Batch and time are exchanged by reshape instead of transpose.",
    "Samples affect each other; hidden by B = 1 and T = 1.",
    "Exchange axes with x.transpose(1, 0, 2), not with reshape.",
)
class BatchTimeSwapped(HookableLSTM):
    def inputs(self, case: Any) -> Any:
        x, h, c = super().inputs(case)
        B, T, D = x.shape
        return x.reshape(T, B, D).transpose(1, 0, 2), h, c


@enter(
    "states",
    "batch-leak",
    "The first sample's initial state is used for all.",
    "Hidden by B = 1.",
    "Give each row of the batch its own state.",
)
class BatchLeak(HookableLSTM):
    def inputs(self, case: Any) -> Any:
        x, h, c = super().inputs(case)
        return x, np.broadcast_to(h[:1], h.shape), np.broadcast_to(c[:1], c.shape)


@enter(
    "states",
    "time-reversed",
    "The sequence is run backwards.",
    "Hidden by T = 1.",
    "Go from the first step to the last.",
)
class TimeReversed(HookableLSTM):
    def inputs(self, case: Any) -> Any:
        x, h, c = super().inputs(case)
        return x[:, ::-1], h, c


@enter(
    "states",
    "dtype-narrowed",
    "Something is computed or kept in the next narrower dtype: float64 in float32, float32 in float16.",
    "Errors of about 1e-7, in float32 of about 1e-3; hidden by tests in the narrower dtype.",
    "Keep the inputs' dtype: np.zeros_like(x) rather than np.zeros(..., np.float32).",
)
class DtypeNarrowed(HookableLSTM):
    def __call__(self, case: Any) -> Any:
        narrow = np.dtype("float16" if case.dtype == np.float32 else "float32")

        def rounded(holder: Any, *names: str) -> dict[str, Any]:
            arrays = {name: getattr(holder, name) for name in names}
            return {name: None if array is None else array.astype(narrow) for name, array in arrays.items()}

        weights = rounded(case.params, "kernel", "recurrent_kernel", "bias")
        params = SimpleNamespace(**weights, dtype=narrow, hidden_size=case.params.hidden_size)
        arrays = rounded(case, "x", "h0", "c0", "d_output", "d_h", "d_c")
        with np.errstate(over="ignore", invalid="ignore"):
            result = super().__call__(SimpleNamespace(**arrays, params=params))  # type: ignore[arg-type]  # no Case is of float16
        return {name: array.astype(case.dtype) for name, array in result.items()}


@enter(
    "states",
    "dtype-widened",
    "float32 inputs give float64 results.",
    "Only in float32: an array of zeros was float64.",
    "Make arrays with the inputs' dtype: np.zeros(shape, x.dtype).",
)
class DtypeWidened(HookableLSTM):
    def __call__(self, case: Any) -> Any:
        wide = np.float64 if case.dtype == np.float32 else np.longdouble
        return {name: array.astype(wide) for name, array in super().__call__(case).items()}
