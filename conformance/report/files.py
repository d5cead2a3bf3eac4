"""Writing report files whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.errors import ReportError


def require_writable(path: Path) -> None:
    """Raise before the work is done if its report could not be written.

    Raises
    ------
    ReportError
    """
    if path.is_dir():
        raise ReportError(f"{path} is a directory, expected a file to write the report to.")
    if not path.parent.is_dir():
        raise ReportError(f"there is no directory {path.parent} to write {path.name} to.")


def require_distinct(paths: Sequence[Path]) -> None:
    """Raise if two reports would go to the same file: only the last would be left.

    Raises
    ------
    ReportError
    """
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise ReportError(f"two reports are to be written to {path}; give each a file of its own.")
        seen.add(path.resolve())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader sees the old content or the new, never a part.

    What is no regular file, such as a pipe or /dev/stdout, is written to as it is.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = path.resolve()  # a link stays a link
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file in one step."""
    write_bytes(path, (json.dumps(value, indent=1) + "\n").encode())
