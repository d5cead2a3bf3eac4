"""The worked examples: what they say keeps the schema, and they are quick; that they conform the README shows."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from conformance.cases.features import FEATURES
from conformance.fixtures.store import golden
from conformance.languages.program import Program
from conformance.trial.results import Report
from conformance.trial.runner import run

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
VALID = jsonschema.Draft202012Validator(json.loads((HERE.parent / "protocol.schema.json").read_text()))


@pytest.fixture
def c_program(tmp_path: Path, not_run: Callable[[str], None]) -> str:
    """The example in C, compiled without a warning."""
    if shutil.which("cc") is None:
        not_run("the example in C: there is no compiler `cc`")
    made = tmp_path / "my_lstm"
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
    subprocess.run(["cc", *strict, "-o", str(made), str(EXAMPLES / "my_lstm.c"), "-lm"], check=True)
    return str(made)


@pytest.fixture
def js_program(not_run: Callable[[str], None]) -> str:
    """The example in JavaScript."""
    if shutil.which("node") is None or not (EXAMPLES / "node_modules").is_dir():
        not_run("the example in JavaScript: there is no Node, or no TensorFlow.js, which `make test` fetches")
    return shlex.join(["node", str(EXAMPLES / "my_lstm.js")])


@pytest.fixture
def py_program() -> str:
    """The example in Python."""
    return shlex.join([sys.executable, str(EXAMPLES / "my_lstm.py")])


@pytest.mark.parametrize("name", ["c_program", "js_program", "py_program"])
def test_what_goes_over_the_pipe_keeps_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    command = request.getfixturevalue(name)
    case = next(vector.case for vector in golden(("float32",)) if vector.vector == "sizes-b4-t6-d2-h3")
    with Program(command) as program:
        lines = program.lines(case)
        single = program.declared.single
    done = subprocess.run(
        shlex.split(command), input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, check=True
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines) == (1 + case.sizes[0] if single else 2)
    for line in [*lines, *answers]:
        VALID.validate(json.loads(line))
    VALID.evolve(schema={**VALID.schema, "oneOf": [{"$ref": "#/$defs/declaration"}]}).validate(json.loads(answers[0]))
    assert {"output", "h", "c"} <= json.loads(answers[-1])["results"].keys()


def test_a_check_of_the_example_in_c_takes_seconds(c_program: str) -> None:
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "conformance", "check", "--process", c_program], check=False)
    assert done.returncode == 0
    assert time.monotonic() - begun < 10, "1.6 s on two cores with other work to do"


def served(asked: frozenset[str] = frozenset(), **declares: object) -> Report:
    command = shlex.join([sys.executable, str(HERE / "reference.py"), json.dumps(declares)])
    with Program(command) as program:
        return run(program, command, features=asked)


def test_networks_with_every_feature_come_through() -> None:
    report = served(features=[*FEATURES])
    assert report.conforms()
    assert not report.not_asked
    assert not report.not_met
    assert report.counts()["passed"] == report.counts()["checks"]


def test_networks_come_through_in_a_layout_of_their_weights() -> None:
    features = [name for name in FEATURES if name not in ("projection", "peephole")]
    report = served(features=features, layout={"gates": "ogif"})
    assert report.conforms()
    assert report.counts()["passed"] == report.counts()["checks"] > 5_000


def test_what_is_asked_for_beyond_what_a_layout_tells_is_not_given_and_said() -> None:
    report = served(frozenset(["peephole"]), layout={"gates": "ogif"})
    assert report.conforms()
    assert "peephole" in report.without
