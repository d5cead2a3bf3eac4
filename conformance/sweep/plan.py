"""What a sweep is: everything that decides what comes of each of its cases, and what came of one block of them."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from conformance.cases.at_random import FORMAT
from conformance.errors import CandidateError
from conformance.languages.program import PREFIX

BLOCK = 64
"""Cases that one process computes in a row, and that are written down together."""
ENOUGH = 20
"""After so many cases that disagree a sweep ends: more of them tell nobody more."""
HANGS = 3
"""After so many calls that ran out of time, too."""


@dataclass(frozen=True)
class Plan:
    """What decides the outcome of every case of a sweep.

    Attributes
    ----------
    candidate : str
        As it can be found from anywhere: a file by its whole path.
    content : str
        The digest of that file; empty if it is none.
    seed : int
    features, without, dtypes : tuple of str
        What is asked of the candidate, what it declares that it lacks, and the dtypes of cases, one after the other.
    forward : bool
        Whether it gives no gradients, and is asked for none.
    measured : bool
        Whether all allowed errors are measured, so that it can be told how much of them was used.
    seconds : float
        How long a call may take.
    memory : float or None
        How many GiB the candidate may have.
    """

    candidate: str
    content: str
    seed: int
    features: tuple[str, ...]
    without: tuple[str, ...]
    dtypes: tuple[str, ...]
    forward: bool
    measured: bool
    seconds: float
    memory: float | None

    @property
    def told(self) -> dict[str, Any]:
        """All of it as JSON has it, with what else decides: the versions."""
        versions = {"lstm-conformance": version("lstm-conformance"), "cases": FORMAT, "block": BLOCK}
        return json.loads(json.dumps(asdict(self) | versions))  # type: ignore[no-any-return]  # a dict comes of a dict


def content_of(candidate: str) -> str:
    """The digest of the file in which a candidate stands, or of the files that its command names; empty if there is none.

    Raises
    ------
    CandidateError
        If there is no such file.
    """
    if candidate.startswith(PREFIX):
        named = [Path(shutil.which(word) or word) for word in shlex.split(candidate.removeprefix(PREFIX))]
        content = b"".join(path.read_bytes() for path in named if path.is_file())
        return hashlib.sha256(content).hexdigest()
    source = candidate.rpartition(":")[0]
    if source.endswith(".py") and not Path(source).is_file():
        raise CandidateError(f"there is no file {source}.")
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source.endswith(".py") else ""


@dataclass(frozen=True)
class Failing:
    """A case that disagrees.

    Attributes
    ----------
    number : int
    kind : str
        What is wrong: names of quantities, or the beginning of a failure's text.
    text : str
        The worst of it, or the failure.
    """

    number: int
    kind: str
    text: str


@dataclass(frozen=True)
class Worst:
    """The largest error over the allowed one among some cases.

    Attributes
    ----------
    cases : int
    share : float
    number : int
        Of the case.
    """

    cases: int
    share: float
    number: int

    def joined(self, other: Worst) -> Worst:
        """That of both; of the first case, if two are alike."""
        first, second = sorted((self, other), key=lambda worst: (-worst.share, worst.number))
        return Worst(first.cases + second.cases, first.share, first.number)


@dataclass(frozen=True)
class Tally:
    """What came of some cases; the sum of two tallies is that of all their cases.

    Attributes
    ----------
    cases : int
        How many were judged, those undecided included.
    hung : int
        Calls that ran out of time.
    failing : tuple of Failing
        In the order of their numbers.
    undecided : int
        Cases in which rounding alone changes more than a thousandth, and which were outside what was measured of it.
    corrected : tuple of int
        Cases in which the oracle and the candidate disagreed, and the certified values were on the candidate's side.
    unarbitrated : tuple of int
        Cases that disagree for which the certified evaluator could not tell.
    networks : int
        How many cases were networks.
    worst : dict
        By the weights' scale and the dtype; empty if it was not measured.
    """

    cases: int = 0
    hung: int = 0
    failing: tuple[Failing, ...] = ()
    undecided: int = 0
    corrected: tuple[int, ...] = ()
    unarbitrated: tuple[int, ...] = ()
    networks: int = 0
    worst: dict[str, Worst] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        worst = dict(self.worst)
        for name, more in other.worst.items():
            worst[name] = worst[name].joined(more) if name in worst else more
        return Tally(
            self.cases + other.cases,
            self.hung + other.hung,
            tuple(sorted((*self.failing, *other.failing), key=lambda failing: failing.number)),
            self.undecided + other.undecided,
            tuple(sorted((*self.corrected, *other.corrected))),
            tuple(sorted((*self.unarbitrated, *other.unarbitrated))),
            self.networks + other.networks,
            worst,
        )

    @property
    def enough(self) -> bool:
        """Whether there is no use in going on."""
        return len(self.failing) >= ENOUGH or self.hung >= HANGS

    @property
    def told(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # a dict comes of a dict

    @classmethod
    def of(cls, told: dict[str, Any]) -> Tally:
        """The tally that `told` was made of."""
        return cls(
            **told
            | {
                "failing": tuple(Failing(**each) for each in told["failing"]),
                "corrected": tuple(told["corrected"]),
                "unarbitrated": tuple(told["unarbitrated"]),
                "worst": {name: Worst(**each) for name, each in told["worst"].items()},
            }
        )
