"""The error along the time steps of one case, as a drawing and as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conformance.report.html.markup import Html, element
from conformance.report.html.scale import exponent
from conformance.report.html.tensors import Pair, pair
from conformance.trial.runner import CheckResult, Report

TIMED = ("output", "d_x")
"""The quantities that have a time axis."""
MARKED = 40
"""Up to so many steps, each has a mark."""
WIDE, NARROW = (760, 280), (340, 250)
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 18, 40


@dataclass(frozen=True)
class Line:
    """A quantity's error along time.

    Attributes
    ----------
    quantity : str
    shares : array (T,)
        The worst error of each step divided by the allowed one.
    allowed : float
    """

    quantity: str
    shares: npt.NDArray[np.float64]
    allowed: float

    @property
    def over(self) -> int:
        """How many steps exceed the allowed error."""
        return int((self.shares > 1).sum())


def chosen(report: Report) -> list[CheckResult]:
    """The checks whose cases are drawn: the worst, and the worst of the longest case if that is another.

    Those that fail go before those that pass, and quantities with a time axis before the others; the worst has
    the largest error over allowed.
    """
    results = [
        r
        for r in report.of_profile(report.profile)
        if r.share is not None and not r.behaviour and r.trial in report.given and report.sizes[r.trial][1] > 1
    ]
    failed = [r for r in results if r.status == "failed"]
    usable = [r for r in failed or results if r.quantity in TIMED] or failed
    if not usable:
        return []
    worst = max(usable, key=lambda r: r.share or 0.0)
    longest = max(usable, key=lambda r: (report.sizes[r.trial][1], r.share or 0.0))
    return [worst] if report.sizes[worst.trial][1] == report.sizes[longest.trial][1] else [worst, longest]


def lines(report: Report, trial: str) -> list[Line]:
    """The errors along time in a case."""
    found = []
    for result in report.of_profile(report.profile):
        if result.trial == trial and result.quantity in TIMED:
            both: Pair | None = pair(report, result)
            if both is not None and result.comparison is not None:
                found.append(Line(result.quantity, both.shares.max(axis=(0, 2)), result.comparison.allowed))
    return found


def told(drawn: Sequence[Line]) -> str:
    """What the lines show, in words."""
    sentences = []
    for line in drawn:
        T = len(line.shares)
        if line.over in (0, T):
            verb = "stays within" if line.over == 0 else "exceeds"
            sentences.append(f"{line.quantity} {verb} the allowed error at all {T} steps.")
        else:
            first, last = (int(i) for i in np.flatnonzero(line.shares > 1)[[0, -1]])
            where = f"from t={first} to t={last}" if line.over > 1 else f"at t={first} alone"
            sentences.append(f"{line.quantity} exceeds the allowed error at {line.over} of {T} steps, {where}.")
    return " ".join(sentences)


def drawing(drawn: Sequence[Line]) -> Html:
    """Legend, drawing in two widths, and the numbers as a table."""
    legend = element(
        "p",
        element("span", "error / allowed"),
        *(element("span", _key(k), element("code", line.quantity)) for k, line in enumerate(drawn)),
        element("span", element("i"), "allowed"),
        class_="legend",
    )
    T = len(drawn[0].shares)
    head = element(
        "tr",
        element("th", "t", scope="col"),
        *(element("th", f"{line.quantity} {what}", scope="col") for line in drawn for what in ("error", "/ allowed")),
    )
    body = [
        element(
            "tr",
            element("th", str(t), scope="row"),
            *(
                element("td", value)
                for line in drawn
                for value in (_number(line.shares[t] * line.allowed), _number(line.shares[t]))
            ),
        )
        for t in range(T)
    ]
    table = element("table", element("thead", head), element("tbody", *body), class_="plain numbers")
    return element(
        "figure",
        legend,
        element("div", _svg(drawn, WIDE, "wide"), _svg(drawn, NARROW, "narrow"), class_="drawn"),
        element("p", class_="readout", aria_live="polite"),
        element(
            "details",
            element("summary", "The same as a table"),
            element("div", table, class_="box", tabindex="0", role="group", aria_label="Errors along time"),
        ),
        class_="plot",
    )


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "∞"
    return "0" if value == 0 else exponent(value)


def _key(k: int) -> Html:
    shapes = element("line", x1=0, x2=28, y1=6, y2=6, class_=f"s{k}"), _mark(k, 14, 6)
    return element("svg", *shapes, viewBox="0 0 28 12", width=28, height=12, aria_hidden="true")


def _mark(k: int, x: float, y: float) -> Html:
    if k == 0:
        return element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, class_=f"m{k}")
    return element("rect", x=f"{x - 3:.1f}", y=f"{y - 3:.1f}", width=6, height=6, class_=f"m{k}")


def _svg(drawn: Sequence[Line], size: tuple[int, int], name: str) -> Html:
    width, height = size
    T = len(drawn[0].shares)
    every = np.concatenate([line.shares for line in drawn])
    drawable = every[np.isfinite(every) & (every > 0)]
    low = min(math.floor(math.log10(drawable.min(initial=1.0))), -1)
    high = max(math.ceil(math.log10(drawable.max(initial=1.0))), 0) + (0.35 if drawable.max(initial=0.0) < 1 else 0)
    zeros, infinite = bool((every == 0).any()), bool(np.isinf(every).any())
    bottom = height - BOTTOM - (16 if zeros else 0)
    top = TOP + (18 if infinite else 0)
    right = width - RIGHT

    def x(t: int) -> float:
        return LEFT + 8 + (right - LEFT - 16) * t / (T - 1)

    def y(share: float, k: int = 0) -> float:
        if share == 0:
            return height - BOTTOM - 4 * k
        if math.isinf(share):
            return TOP + 4 * k  # lines that leave the scale stay beside each other
        return bottom - (bottom - top) * (math.log10(share) - low) / (high - low)

    parts = [*_horizontal(low, high, y, right)]
    if zeros:
        parts += _rule(height - BOTTOM, right, "0")
    if infinite:
        parts += _rule(TOP, right, "∞")
    parts.append(element("line", x1=LEFT, x2=right, y1=f"{y(1.0):.1f}", y2=f"{y(1.0):.1f}", class_="limit"))
    for t in _ticks(T, 8 if width < 500 else 14):
        parts.append(element("text", str(t), x=f"{x(t):.1f}", y=height - BOTTOM + 18, text_anchor="middle"))
    parts.append(element("text", "time step", x=(LEFT + right) / 2, y=height - 4, text_anchor="middle"))
    for k, line in enumerate(drawn):
        points = [(x(t), y(float(share), k)) for t, share in enumerate(line.shares)]
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        parts.append(element("path", d=path, class_=f"s{k}"))
        if T <= MARKED:
            parts += [_mark(k, a, b) for a, b in points]
    parts.append(element("line", x1=0, x2=0, y1=TOP, y2=height - BOTTOM, class_="cursor"))
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=f"Error over allowed along time. {told(drawn)}",
        class_=name,
        data_from=x(0),
        data_to=x(T - 1),
    )


def _horizontal(low: int, high: float, y: Callable[[float], float], right: float) -> list[Html]:
    """A rule at some powers of ten, 1 among them."""
    apart = max(1, math.ceil((high - low) / 6))
    powers = [p for p in range(low, math.floor(high) + 1) if p % apart == 0]
    return [piece for p in powers for piece in _rule(y(10.0**p), right, f"{10.0**p:g}" if abs(p) < 4 else f"1e{p}")]


def _rule(height: float, right: float, label: str) -> list[Html]:
    return [
        element("line", x1=LEFT, x2=right, y1=f"{height:.1f}", y2=f"{height:.1f}", class_="rule"),
        element("text", label, x=LEFT - 8, y=f"{height + 4:.1f}", text_anchor="end"),
    ]


def _ticks(T: int, most: int) -> list[int]:
    """Round steps, at most so many."""
    apart = next(m * 10**k for k in range(9) for m in (1, 2, 5) if (T - 1) / (m * 10**k) < most)
    return list(range(0, T, apart))
