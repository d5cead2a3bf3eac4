"""`lstm-conformance layout`: files in, a verdict in plain words out, and its lines of Python work."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import conformance
from conformance.cases.draw import Draw
from conformance.cli import main
from conformance.errors import LayoutError
from conformance.fixtures.store import golden
from conformance.layouts.tests.packing import Arrays, Packing
from lstm_ref import LSTMParams
from lstm_ref.errors import LSTMError

VECTORS = {vector.case.id: vector for vector in golden()}
CASE, EXPECTED = VECTORS["plain-all-nostate-float32"].case, VECTORS["plain-all-nostate-float32"].expected
PARAMS = CASE.params


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def weights(packing: Packing | None = None) -> Arrays:
    return (packing or Packing("fico", joined="hx", left=True)).arrays(PARAMS, Draw("command"))


def write(path: str, **arrays: Any) -> None:
    np.savez(path, **arrays)


def run() -> Arrays:
    return {"x": CASE.x, "output": EXPECTED["output"].astype(np.float32)}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(["layout", *arguments]) == status
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def misuse(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["layout", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


def by_the_program(text: str) -> LSTMParams:
    """What the printed Python makes."""
    program = text[re.search(r"^import ", text, re.MULTILINE).start() :].partition("\n\nSaved")[0]  # type: ignore[union-attr]
    names: dict[str, Any] = {}
    exec(program, names)
    assert isinstance(names["params"], LSTMParams)
    return names["params"]


def test_one_layout_is_said_in_words_as_a_layout_and_as_python(capsys: pytest.CaptureFixture[str]) -> None:
    write("weights.npz", **weights(), **run())
    text = printed(capsys, "weights.npz")
    assert "One reproduces the known run: its worst error is" in text
    assert "four blocks one above the other, acting from the left, on [h, x]" in text
    assert "f i c o (forget, input, candidate, output)" in text
    assert '\nconformance.Layout(gates="fico", joined="hx", transposed=True)\n' in text
    params = by_the_program(text)
    np.testing.assert_array_equal(params.kernel, PARAMS.kernel)
    np.testing.assert_array_equal(params.recurrent_kernel, PARAMS.recurrent_kernel)
    np.testing.assert_array_equal(params.bias, np.asarray(PARAMS.bias))


@pytest.mark.parametrize("kind", ["compressed.npz", "w.safetensors", "quotes ' and \" in it.npz"])
def test_weights_and_run_in_two_files(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = {f"it's {name}": array for name, array in weights().items()} | {"x": np.ones((3, 3), np.float32)}
    if kind.endswith("safetensors"):
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, kind)
    else:
        with Path(kind).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    write("run.npz", inputs=CASE.x, h=EXPECTED["h"], c=EXPECTED["c"])
    text = printed(capsys, kind, "--known", "run.npz", "--x", "inputs")
    np.testing.assert_array_equal(by_the_program(text).kernel, PARAMS.kernel)
    assert "Not used: 'x'." in text


def test_only_the_arrays_that_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    others = {f"decoder.{n}": Draw(str(n)).uniform(1.0, 5, 5) for n in range(20)}
    arrays = {f"encoder.{name}": array for name, array in weights(Packing(stacking="split", bias="split")).items()}
    write("all.npz", **arrays, **others, **run())
    text = printed(capsys, "all.npz", "--weights", "encoder.*")
    np.testing.assert_array_equal(by_the_program(text).kernel, PARAMS.kernel)
    assert "too many layouts fit the shapes of these 32 arrays" in misuse(
        capsys, "all.npz", "--weights", "decoder.*", "--weights", "e*"
    )
    assert "no weights have a name like 'coder.*'" in misuse(capsys, "all.npz", "--weights", "coder.*")


def test_found_weights_are_saved_once(capsys: pytest.CaptureFixture[str]) -> None:
    write("weights.npz", **weights(), **run())
    text = printed(capsys, "weights.npz", "--save", "found.safetensors")
    expression = re.search(r"Saved: (.*)", text)
    assert expression is not None
    import safetensors.numpy

    import lstm_ref

    params = eval(expression[1], {"lstm_ref": lstm_ref, "safetensors": safetensors})
    np.testing.assert_array_equal(params.recurrent_kernel, PARAMS.recurrent_kernel)
    assert set(load_file("found.safetensors")) == {"kernel", "recurrent_kernel", "bias"}
    before = Path("found.safetensors").read_bytes()
    assert "exists already" in misuse(capsys, "weights.npz", "--save", "found.safetensors")
    assert Path("found.safetensors").read_bytes() == before
    assert "there is no directory" in misuse(capsys, "weights.npz", "--save", "no/found.safetensors")


def test_what_a_layout_cannot_say_is_said_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    write("weights.npz", **weights(Packing("icfo", joined="xh", bias="double", forget=True)), **run())
    text = printed(capsys, "weights.npz")
    assert "\n# which does not say that 1 is added to the forget gate's bias\n" in text
    assert "\n# which does not say that the bias is counted twice\n" in text
    write("weights.npz", **weights(Packing("icfo", "interleaved")), **run())
    text = printed(capsys, "weights.npz")
    assert "the four gates of each unit side by side, acting from the right" in text
    assert "conformance.Layout" not in text


def test_what_loads_the_same_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    write("weights.npz", **weights(Packing()), zero=np.zeros(20, np.float32), **run())
    text = printed(capsys, "weights.npz")
    assert "These load the same numbers out of these arrays" in text
    assert re.search(r"^  bias +'[^']+' plus '[^']+'; or 'array \d'$", text, re.MULTILINE)


def test_nothing_is_saved_unless_one_layout_fits(capsys: pytest.CaptureFixture[str]) -> None:
    write("step.npz", **weights(Packing()), x=CASE.x[:, :1], output=EXPECTED["output"][:, :1])
    text = printed(capsys, "step.npz", "--save", "found.safetensors", status=1)
    assert "4 that load different weights reproduce the known run." in text
    assert "One step from h = 0 does not use the recurrent kernel." in text
    assert not Path("found.safetensors").exists()


def test_no_layout_shows_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    write("weights.npz", **weights(), x=CASE.x, output=EXPECTED["output"][::-1])
    text = printed(capsys, "weights.npz", status=1)
    assert "None reproduces the known run. The nearest:" in text
    assert len(re.findall(r"^\d\. worst error \d", text, re.MULTILINE)) == 3
    assert "import" not in text


def test_the_tolerance_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    write("weights.npz", **weights(), x=CASE.x, output=np.round(EXPECTED["output"], 3))
    assert "--tolerance 1e-02 accepts it" in printed(capsys, "weights.npz", status=1)
    assert "One reproduces the known run" in printed(capsys, "weights.npz", "--tolerance", "1e-2")
    assert "is none: it is a share between 0 and 1" in misuse(capsys, "weights.npz", "--tolerance", "-1")


def test_what_is_no_file_of_arrays_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.npz").write_text("no arrays")
    assert "text.npz is text, expected one of PyTorch" in (said := misuse(capsys, "text.npz"))
    assert said.endswith("or NumPy's .npz.\n")
    np.save("one.npy", np.ones(3))
    assert "is a single array. Put all of them into one file with np.savez" in misuse(capsys, "one.npy")
    Path("empty.npz").touch()
    assert "empty.npz is empty" in misuse(capsys, "empty.npz")
    assert "there is no file none.npz" in misuse(capsys, "none.npz")
    assert "is a directory" in misuse(capsys, ".")


def test_a_run_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    write("weights.npz", **weights())
    assert (
        "weights.npz has no array x, the known input; if it is one of array 0, array 1, say which with --x."
        in misuse(capsys, "weights.npz")
    )
    assert "has no array 'inputs' to take as x; it has array 0, array 1." in misuse(
        capsys, "weights.npz", "--x", "inputs"
    )
    assert "has none of output, h and c" in misuse(capsys, "weights.npz", "--x", "array 0")
    write("run.npz", **run())
    assert "holds no weights beside the known run" in misuse(capsys, "run.npz")
    write("words.npz", **weights(), x=np.array("words"), output=EXPECTED["output"])
    assert "words.npz has no array x" in misuse(capsys, "words.npz")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def _npy(header: bytes, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


HOSTILE = {
    "a huge shape": _npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}\n"),
    "a negative shape": _npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}\n", bytes(8)),
    "a shape too small": _npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}\n", bytes(80)),
    "no header": b"\x93NUMPY\x01\x00",
    "a header that is code": _npy(b"__import__('os').mkdir('executed')\n"),
    "deep brackets": _npy(b"(" * 9000 + b"\n"),
    "another version": b"\x93NUMPY\x09\x00" + bytes(64),
    "nothing": b"",
    "text": b"hello",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_npz_is_refused_in_one_line(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile("hostile.npz", "w") as archive:
        archive.writestr("w.npy", HOSTILE[what])
    assert "hostile.npz: its array 'w' cannot be read" in misuse(capsys, "hostile.npz")
    assert not Path("executed").exists()


def test_objects_are_not_unpickled_and_bombs_not_expanded(capsys: pytest.CaptureFixture[str]) -> None:
    write("objects.npz", w=np.array([Bomb()], dtype=object))
    assert "holds Python objects, which would have to be unpickled" in misuse(capsys, "objects.npz")
    assert not Path("executed").exists()


def test_what_claims_to_be_huge_is_not_expanded(capsys: pytest.CaptureFixture[str]) -> None:
    write("bomb.npz", w=np.zeros(1000))
    content = bytearray(Path("bomb.npz").read_bytes())
    size = content.rindex(b"PK\x01\x02") + 24  # of the first entry in the central directory
    assert int.from_bytes(content[size : size + 4], "little") == 8128
    content[size : size + 4] = (0xC0000000).to_bytes(4, "little")
    Path("bomb.npz").write_bytes(content)
    assert "would take more than 2 GiB" in misuse(capsys, "bomb.npz")


def test_a_truncated_or_damaged_npz_gives_an_error_or_its_arrays() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **weights(), **run())
    sound = buffer.getvalue()
    draw = Draw("damage")
    messages = []
    for n in range(150):
        damaged = bytearray(sound)
        if n % 3 == 0:
            del damaged[int(draw.integers(len(sound), 1)[0]) :]
        else:
            for place in draw.integers(len(sound), 10):
                damaged[place] ^= int(draw.integers(255, 1)[0]) + 1
        Path("damaged.npz").write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile's, of names that occur twice
                conformance.read_arrays("damaged.npz")
        except (LayoutError, LSTMError) as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert not any("\n" in message for message in messages)


def test_neither_frameworks_nor_anything_else_is_needed() -> None:
    write("weights.npz", **weights(), **run())
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in 'torch tensorflow keras h5py rich pytest onnx safetensors'.split():\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from conformance.cli import main\n"
        "sys.exit(main(['layout', 'weights.npz']))\n"
    )
    root = Path(conformance.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": str(root)}
    )
    assert (done.returncode, done.stderr) == (0, "")
