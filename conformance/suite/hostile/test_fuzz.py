"""A small part of ``make fuzz``: damaged files of the fast formats, the same ones every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lstm_ref
from conformance.suite.fuzz import FILES, OWN, corpus, outcome, some

NUMBER = 400


def test_damaged_files_are_refused_or_read_as_their_own_library_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    corpus(folder)
    found, wrong = some(folder, tmp_path / "wrong", 0, FILES, range(NUMBER))
    assert wrong == []
    assert sum(found.values()) == NUMBER
    assert found["CorruptFileError"] > NUMBER / 4, "hardly anything was damaged"
    assert found["read, as its own library reads it"] > NUMBER / 50, "hardly anything was left to read"
    for name in OWN:
        assert outcome(name, folder / name) == ("read, as its own library reads it", "")


def test_what_goes_wrong_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    corpus(folder)
    right = lstm_ref.load(folder / "zip.pt")

    def raising(path: Path) -> None:
        raise ValueError("not ours")

    def other(path: Path, name: str) -> lstm_ref.Network:
        return lstm_ref.Network(lstm_ref.LSTMParams(**{n: a + 1 for n, a in right.params.arrays.items()}))

    with monkeypatch.context() as patched:
        patched.setattr(lstm_ref, "inspect", raising)
        assert outcome("zip.pt", folder / "zip.pt") == ("ValueError", "ValueError: not ours")
    with monkeypatch.context() as patched:
        patched.setattr(lstm_ref, "load", other)
        assert "not what the format's own library reads" in outcome("zip.pt", folder / "zip.pt")[1]
    with monkeypatch.context() as patched:
        patched.setattr(lstm_ref, "inspect", lambda path: [np.ones(20 << 20).sum()][:0])
        assert "MiB of memory" in outcome("zip.pt", folder / "zip.pt")[1]
