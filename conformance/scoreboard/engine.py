"""What an engine is, and the registry of all of them: one description each, and an adapter where it needs one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from conformance.errors import ScoreboardError

HERE = Path(__file__).parent
ENGINES, FINDINGS, ROOT = HERE / "engines", HERE / "findings", HERE.parents[1]


@dataclass(frozen=True)
class Engine:
    """Somebody's LSTM, and how it is put on trial.

    Attributes
    ----------
    title : str
        What it is called by those who use it, such as "torch.nn.LSTM".
    packages : tuple of str
        What is installed by pip, each with its version.
    candidate : str
        What `lstm-conformance check` is given, ``ROOT`` being this clone; ``lstm`` of the adapter beside its description
        when empty.
    options : tuple of str
        Further words of that command line.
    bare : tuple of str
        Packages that are installed after those, without what they ask for, and built with what is there by then.
    npm : tuple of str
        What is installed by npm, each with its version.
    environment : mapping of str to str
        Variables of the process.
    design : str
        Why it does not conform, where that is a documented choice of its authors and no mistake; empty otherwise.
    findings : tuple of str
        The programs in ``findings/`` that show without this package what is wrong.
    name : str
        That of its description, with hyphens.
    """

    title: str
    packages: tuple[str, ...] = ()
    candidate: str = ""
    options: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    design: str = ""
    findings: tuple[str, ...] = ()
    name: str = ""

    @property
    def file(self) -> Path:
        """Where its adapter is, if it has one of its own."""
        return ENGINES / f"{self.name.replace('-', '_')}.py"

    @property
    def spec(self) -> str:
        """What `check` is given."""
        return self.candidate.replace("ROOT", str(ROOT)) or f"{self.file}:lstm"

    @property
    def version(self) -> str:
        """Of what is tried: the version of the first thing that is installed."""
        return (*self.bare, *self.packages, *self.npm)[0].rpartition("==")[2]

    @property
    def installs(self) -> tuple[str, ...]:
        """All that its environment has, and so what tells environments apart."""
        return (
            *sorted(self.packages),
            *(f"{name} (bare)" for name in self.bare),
            *(f"{name} (npm)" for name in self.npm),
        )


@cache
def engines() -> dict[str, Engine]:
    """Every engine, by name: the files ``engines/*.toml``, whose keys are the attributes of an `Engine`."""
    found = {}
    for path in sorted(ENGINES.glob("*.toml")):
        name = path.stem.replace("_", "-")
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
        found[name] = Engine(**(told | lists), name=name)
    return found


def chosen(names: Iterable[str]) -> list[Engine]:
    """The engines of some names, in their order; all if there are none.

    Raises
    ------
    ScoreboardError
        For a name that is none.
    """
    known = engines()
    wanted = list(dict.fromkeys(names)) or list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise ScoreboardError(f"there is no engine {', '.join(unknown)}; there are {', '.join(known)}.")
    return [known[name] for name in wanted]
