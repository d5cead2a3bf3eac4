"""The closing summary of a pytest run: how many checks ran against whom, and how near they came."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from conformance.cases.features import FEATURES

WEIGHTS = ("d_kernel", "d_recurrent_kernel", "d_bias", "d_projection", "d_peephole")
QUANTITIES = ("output", "h", "c", "d_x", "d_h0", "d_c0", *WEIGHTS)
"""The last part of a quantity's name: the layers' are told together."""

SHORT = 100
"""Sequences up to this length have a line of their own: rounding errors grow along a sequence."""


@dataclass(frozen=True)
class Check:
    """One quantity of one case, compared with one oracle.

    Attributes
    ----------
    oracle, dtype, quantity : str
    T : int
        The case's sequence length.
    share : float
        The worst error divided by the allowed one.
    relative : float
        The worst error divided by the quantity's scale.
    features : sequence of str
        What the case has besides a plain LSTM.
    """

    oracle: str
    dtype: str
    quantity: str
    T: int
    share: float
    relative: float
    features: Sequence[str] = ()

    def to_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))


def summarise(checks: Sequence[Check], not_run: Sequence[str]) -> list[str]:
    """The summary's lines.

    Parameters
    ----------
    checks : sequence of Check
    not_run : sequence of str
        Why some part did not run, one entry per part.
    """
    if not checks:
        return [f"0 checks. {len(not_run):,} parts not run.", *(f"not run: {why}" for why in dict.fromkeys(not_run))]
    groups = sorted({(check.oracle, check.dtype) for check in checks}, key=lambda g: (g[0], g[1] != "float64"))
    width = max(16, *(1 + len(f"{oracle} {dtype}") for oracle, dtype in groups))
    lines = [f"{'against':<{width}}{'checks':>8}{'failed':>8}   worst error / scale, T <= {SHORT} (any T)"]
    for oracle, dtype in groups:
        members = [c for c in checks if (c.oracle, c.dtype) == (oracle, dtype)]
        failed = sum(c.share > 1 for c in members)
        short = max((c.relative for c in members if c.T <= SHORT), default=0.0)
        overall = max(c.relative for c in members)
        lines.append(f"{oracle + ' ' + dtype:<{width}}{len(members):>8,}{failed:>8,}   {short:.1e} ({overall:.1e})")
    lines += ["", "worst error as a share of the allowed one"]
    lines.append(f"{'':<20}" + "".join(f"{oracle + ' ' + dtype:>{width}}" for oracle, dtype in groups))
    for quantity in QUANTITIES:
        shares = [
            max((c.share for c in checks if (c.oracle, c.dtype, _last(c)) == (*group, quantity)), default=None)
            for group in groups
        ]
        if any(share is not None for share in shares):
            lines.append(f"{quantity:<20}" + "".join(f"{'-' if s is None else f'{s:.3f}':>{width}}" for s in shares))
    total, failed = len(checks), sum(check.share > 1 for check in checks)
    by_oracle = ", ".join(
        f"{sum(c.oracle == o for c in checks):,} against {o}" for o in dict.fromkeys(g[0] for g in groups)
    )
    lines += ["", f"{total:,} checks: {by_oracle}. {failed:,} failed, {len(not_run):,} parts not run."]
    lines += [f"not run, {count} times: {why}" for why, count in Counter(not_run).items()]
    return lines


def by_feature(checks: Sequence[Check]) -> list[str]:
    """A table of how many checks there were of cases with each feature, against whom; empty if there were none.

    A case with several features counts in each of their rows.
    """
    features = [name for name in FEATURES if any(name in check.features for check in checks)]
    if not features:
        return []
    oracles = sorted({check.oracle for check in checks if check.features})
    lines = [f"{'feature':<16}" + "".join(f"{oracle:>14}" for oracle in oracles)]
    for name in features:
        counted = Counter(check.oracle for check in checks if name in check.features)
        lines.append(
            f"{name:<16}" + "".join(f"{f'{n:,}' if (n := counted[oracle]) else '-':>14}" for oracle in oracles)
        )
    return lines


def _last(check: Check) -> str:
    return check.quantity.rpartition(".")[2]
