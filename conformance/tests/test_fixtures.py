"""The golden vectors: certified, reproducible, atomic, found when installed, and every damage noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conformance.case import QUANTITIES
from conformance.cases import Spec
from conformance.cli import main
from conformance.errors import FixtureError
from conformance.fixtures import generate as generator
from conformance.fixtures.plan import FLAGS, on_grid, plan
from conformance.fixtures.store import INPUTS, digest, directory, golden, read_manifest
from conformance.fixtures.verify import certificate, verify
from conformance.implementations import built_in, certified

SMALL = "plain-all"


def test_there_are_at_least_eighty_in_less_than_8_mib_and_every_flag_is_used() -> None:
    manifest = read_manifest(directory())
    assert len(manifest["vectors"]) >= 80
    assert sum(path.stat().st_size for path in directory().rglob("*")) < 8 << 20
    used = {flag for entry in manifest["vectors"] for flag in entry["flags"]}
    assert used == set(FLAGS) == set(manifest["flags"])
    sizes = [entry["sizes"] for entry in manifest["vectors"]]
    assert max(s["T"] for s in sizes) >= 200
    assert max(s["H"] for s in sizes) >= 64


def test_inputs_are_exact_in_bfloat16_and_so_in_every_precision() -> None:
    for entry in read_manifest(directory())["vectors"]:
        tensors = load_file(directory() / entry["file"])
        for name in set(tensors) & set(INPUTS):
            upper_half = tensors[name].astype(np.float32).view(np.uint32) & 0xFFFF0000
            np.testing.assert_array_equal(upper_half.view(np.float32).astype(np.float64), tensors[name])
    by_id = {v.case.id: v for v in golden()}
    one, other = by_id[f"{SMALL}-float64"], by_id[f"{SMALL}-float32"]
    np.testing.assert_array_equal(one.case.x, other.case.x)
    assert other.case.x.dtype == np.float32
    assert one.expected["d_x"].dtype == other.expected["d_x"].dtype == np.float64


def test_everything_is_proven_and_both_frameworks_agree() -> None:
    said = "\n".join(verify(directory(), certify=True))
    assert "schema: the manifest keeps it" in said
    assert f"hashes: {len(list(plan()))} vectors" in said
    for name in ("torch", "keras", "certified"):
        assert f"{name}: " in said
        assert f"{name}: not checked" not in said


def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(directory(), tmp_path / "fixtures"))


def changed(folder: Path, id: str, quantity: str, index: tuple[int, ...], bit: int) -> None:
    """Flip a bit of a stored number, and make the manifest believe it."""
    manifest = read_manifest(folder)
    entry = next(e for e in manifest["vectors"] if e["id"] == id)
    tensors = load_file(folder / entry["file"])
    array = tensors[quantity].copy()
    array.view(np.uint64)[index] ^= np.uint64(1 << bit)
    save_file({**tensors, quantity: array}, folder / entry["file"])
    entry["sha256"] = digest((folder / entry["file"]).read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_last_bit_of_any_stored_value_is_proven() -> None:
    vector = next(v for v in golden(["float64"]) if v.vector == SMALL)
    assert certificate(vector.case, vector.expected) == sum(a.size for a in vector.expected.values())
    for quantity in QUANTITIES:
        stored = vector.expected[quantity]
        for flat in range(0, stored.size, max(1, stored.size // 7)):
            damaged = stored.copy()
            damaged.view(np.uint64).flat[flat] ^= np.uint64(1)
            with pytest.raises(
                FixtureError, match=f"{SMALL}-float64: {quantity} at .* is stored as .* correctly rounded true value"
            ):
                certificate(vector.case, {**vector.expected, quantity: damaged})


def test_a_flipped_last_bit_in_a_file_fails_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(tmp_path)
    changed(folder, "one-unit", "d_bias", (2,), bit=0)
    assert main(["fixtures", "verify", "--folder", str(folder)]) == 0, "the frameworks cannot see it"
    assert main(["fixtures", "verify", "--certify", "--folder", str(folder)]) == 1
    assert "one-unit: d_bias at unit=0 gate=c is stored as" in capsys.readouterr().err


def test_a_value_far_off_is_seen_by_the_frameworks(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    changed(folder, "one-unit", "output", (0, 0, 0), bit=30)
    with pytest.raises(FixtureError, match="one-unit: torch differs: output: 1 of 10"):
        verify(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: next((f / "vectors").iterdir()).write_bytes(b"x"), "is not the file that the manifest describes"),
        (lambda f: next((f / "vectors").iterdir()).unlink(), "cannot be read"),
        (lambda f: (f / "vectors" / "stranger").touch(), "files that manifest.json does not mention: stranger"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json cannot be read"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json cannot be read"),
        (lambda f: edit(f, lambda m: m["vectors"].clear()), "breaks its schema"),
        (lambda f: edit(f, lambda m: m["vectors"][0].pop("comment")), "breaks its schema"),
        (lambda f: edit(f, lambda m: m["flags"].pop("long")), "flags that it does not explain: long"),
        (lambda f: edit(f, lambda m: m["vectors"].append(m["vectors"][0])), "two vectors of one id"),
    ],
)
def test_every_damage_is_named(damage, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # lambdas
    folder = copied(tmp_path)
    damage(folder)
    with pytest.raises(FixtureError, match=message):
        verify(folder)


def edit(folder: Path, change) -> None:  # type: ignore[no-untyped-def]  # a lambda
    manifest = read_manifest(folder)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_generating_gives_the_bytes_that_are_there(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    generator.generate(first)
    generator.generate(second)
    assert content(first) == content(second)
    vectors = {name for name in content(directory()) if name.startswith("vectors/")}
    assert vectors == {name for name in content(first) if name.startswith("vectors/")}, (
        "other inputs or expected values"
    )


@pytest.mark.parametrize("after", [0, 3, 80, 84])
def test_an_interrupted_generation_leaves_the_old_set_whole(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(tmp_path)
    before = read_manifest(folder)
    written = 0
    really = generator._write

    def write(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if written > after:
            raise KeyboardInterrupt
        really(path, data + (b" " if path.suffix == ".json" else b""))

    monkeypatch.setattr(generator, "_write", write)
    monkeypatch.setattr(
        generator, "vector_bytes", lambda case, expected: case.id.encode()
    )  # another set than the old one
    if after < 83:
        with pytest.raises(KeyboardInterrupt):
            generator.generate(folder)
        assert read_manifest(folder) == before
        for entry in before["vectors"]:
            assert digest((folder / entry["file"]).read_bytes()) == entry["sha256"]
    else:
        generator.generate(folder)
        assert len(list((folder / "vectors").iterdir())) == len(before["vectors"]), "files of the old set are left"


def test_the_grid_has_eight_bits() -> None:
    values = on_grid(np.array([1.0, 1 / 3, -0.1, 0.0, 1e-5, 123.456]))
    mantissas = np.frexp(values)[0] * 256
    np.testing.assert_array_equal(mantissas, np.round(mantissas))
    np.testing.assert_allclose(values, [1.0, 1 / 3, -0.1, 0.0, 1e-5, 123.456], rtol=2**-8)


def test_certified_values_are_the_frameworks_to_a_few_ulp_at_other_sizes_too() -> None:
    case = Spec(3, 6, 2, 4).build()
    truth, torch = certified.compute(case), built_in("torch")(case)
    for quantity, values in truth.items():
        np.testing.assert_allclose(torch[quantity], values, rtol=0, atol=4e-15)


def test_an_interval_is_rounded_only_if_both_ends_agree() -> None:
    from flint import arb, ctx

    ctx.prec = 128
    third = arb(1) / 3
    assert certified.rounded(third) == 1 / 3
    assert certified.rounded(arb(1, 1e-20)) == 1.0
    assert certified.rounded(arb(1, 1e-15)) is None
    halfway = arb(1) + arb(2) ** -53
    assert certified.rounded(halfway) == 1.0, "exactly half way: to even"
    assert certified.rounded(arb(halfway.mid(), 1e-25)) is None
    assert certified.nearest_float(arb(3) * arb(2) ** 70) == 3.0 * 2.0**70
    assert certified.nearest_float(arb(2) ** -1074) == 5e-324


def test_list_is_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fixtures", "list"]) == 0
    printed = capsys.readouterr().out
    assert "saturated-1000" in printed
    assert f"{len(list(plan()))} vectors, each for float64 and float32" in printed
