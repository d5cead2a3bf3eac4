"""Which edits of the judging code no test notices: ``python -m conformance.suite.mutants [MODULE ...]``.

Every module is mutated by cosmic-ray in copies of the repository, one for each core, and tried with the tests that are
about it. The diffs of the mutants that survive are printed. It takes minutes for a module, and hours for all.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

GUARD = "conformance/trial/tests/test_guard.py"
COMPARED = ("conformance/judging/tests/test_compare.py", GUARD)
TRIED = ("conformance/trial/tests/test_checks.py", "conformance/trial/tests/test_results.py", GUARD)
STORED = ("conformance/fixtures/tests", GUARD)
TESTS: dict[str, tuple[str, ...]] = {
    "conformance/judging/compare.py": COMPARED,
    "conformance/judging/tolerance.py": ("conformance/judging/tests",),
    "conformance/judging/noise.py": ("conformance/judging/tests",),
    "conformance/trial/arrays.py": ("conformance/suite/test_arrays.py",),
    "conformance/trial/checks.py": TRIED,
    "conformance/trial/declare.py": TRIED,
    "conformance/trial/results.py": TRIED,
    "conformance/trial/runner.py": (
        *TRIED,
        "conformance/trial/tests/test_outcomes.py",
        "conformance/trial/tests/test_check.py",
    ),
    "conformance/fixtures/store.py": STORED,
    "conformance/fixtures/verify.py": STORED,
    "lstm_ref/params.py": ("lstm_ref/params.py", "lstm_ref/tests/test_params.py"),
}
"""Module to the tests that are to notice."""
SLOW = "live or engines or framework or overwrites or report or baseline or page or door or generati or proven"
"""In the names of tests that are left out: they take long, and what they notice others do."""
KEPT = re.compile(
    "core/(AddNot|NumberReplacer|ExceptionReplacer|RemoveDecorator|ZeroIterationForLoop|"
    "Replace(AndWithOr|OrWithAnd|TrueWithFalse|FalseWithTrue|BreakWithContinue|ContinueWithBreak)|"
    "ReplaceUnaryOperator_(Delete_Not|USub_UAdd)|"
    "ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Is_IsNot|IsNot_Is|In_NotIn|NotIn_In)|"
    "ReplaceBinaryOperator_(Mul_Div|Div_Mul|Add_Sub|Sub_Add|BitOr_BitAnd|BitAnd_BitOr|Pow_Mul|FloorDiv_Mul|Mod_Div))$"
)
"""One replacement for each operator: that a test notices one of eleven others says little more."""
LIMIT = 300.0
"""Seconds that the tests may take with one mutant."""


def unread(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations are: nobody evaluates them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(annotation, ast.expr):
                assert annotation.end_lineno is not None
                assert annotation.end_col_offset is not None
                begin = annotation.lineno, annotation.col_offset
                found.append((begin, (annotation.end_lineno, annotation.end_col_offset)))
    return found


def wanted(mutation: Any, annotations: list[tuple[tuple[int, int], tuple[int, int]]]) -> bool:
    place = mutation.start_pos
    return bool(KEPT.match(mutation.operator_name)) and not any(begin <= place < end for begin, end in annotations)


def survivors(module: str, copy: Path) -> Iterator[str]:
    """How many mutants of a module there are, then the diff of each that its tests let pass."""
    from cosmic_ray.work_db import WorkDB, use_db  # here, as pytest looks for doctests without it
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    config, session = copy / "mutants.toml", copy / "mutants.sqlite"
    session.unlink(missing_ok=True)
    tests = f"{sys.executable} -m pytest -x -q -k 'not ({SLOW})' {' '.join(TESTS[module])}"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = {LIMIT}\nexcluded-modules = []\ntest-command = "{tests}"\n'
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    command, environment = [sys.executable, "-m", "cosmic_ray.cli"], os.environ | {"PYTHONPATH": str(copy)}

    def call(*arguments: str) -> None:
        subprocess.run([*command, *arguments], cwd=copy, env=environment, check=True, capture_output=True)

    call("baseline", config.name)
    call("init", config.name, session.name)
    annotations = unread((copy / module).read_text())
    with use_db(str(session), WorkDB.Mode.open) as database:
        for item in database.pending_work_items:
            if not wanted(item.mutations[0], annotations):
                database.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
        tried = len(list(database.pending_work_items))
    call("exec", config.name, session.name)
    with use_db(str(session), WorkDB.Mode.open) as database:
        done = [result for _, result in database.results if result.worker_outcome != WorkerOutcome.SKIPPED]
    assert len(done) == tried, "some were not tried"
    alive = [result for result in done if not result.is_killed]
    yield f"{module}: {len(alive)} of {tried} mutants survive"
    yield from (str(result.diff) for result in alive)


def main(modules: list[str]) -> int:
    """Mutate these modules, or all; 1 if one was named that has no tests here."""
    if unknown := sorted(set(modules) - set(TESTS)):
        print(f"{', '.join(unknown)} is none of {', '.join(TESTS)}.", file=sys.stderr)
        return 1
    files = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(os.cpu_count() or 1):
            copy = Path(folder, str(number))
            free.put(copy)
            for name in filter(None, files):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).write_bytes(Path(name).read_bytes())

        def told(module: str) -> list[str]:
            copy = free.get()
            try:
                return list(survivors(module, copy))
            finally:
                free.put(copy)

        for lines in pool.map(told, modules or TESTS):
            print("\n".join(lines), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
