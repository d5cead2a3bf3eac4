"""Writing report files whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader sees the old content or the new, never a part."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file in one step."""
    write_bytes(path, (json.dumps(value, indent=1) + "\n").encode())
