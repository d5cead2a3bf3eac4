"""Files that another file names: which of them are followed, and where they are.

Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache: in such a cache ``snapshots/<revision>/<file>`` is a link
to ``blobs/<hash>``.
"""

from __future__ import annotations

import os
from pathlib import Path


def target(folder: Path, name: str) -> Path | None:
    """The file that `name` in `folder` is, or is a link to, whether or not it is there; None if links run in a circle."""
    path = folder / name
    try:
        return path.resolve()
    except (RuntimeError, OSError):  # Python 3.13 raises the other one
        return None


def inside(folder: Path, file: Path) -> bool:
    """Whether a resolved file is of the folder, or of the blobs of the Hugging Face cache that the folder is in."""
    folder = folder.resolve()
    return file.is_relative_to(folder) or (file.parent == _blobs(folder))


def _blobs(folder: Path) -> Path | None:
    """Where a Hugging Face cache has its files' content, if the folder is a snapshot in one or lies in a snapshot."""
    snapshots = next((above for above in folder.parents if above.name == "snapshots"), None)
    return snapshots.parent / "blobs" if snapshots is not None else None


def names_of(blob: Path) -> list[Path]:
    """The names that a file has in the snapshots of a Hugging Face cache, if it is given by its place among the blobs."""
    found = blob.resolve()
    if blob.is_symlink() or found.parent.name != "blobs":
        return []
    links = (found.parent.parent / "snapshots").glob("**/*")
    return [link for link in sorted(links) if link.is_symlink() and os.path.realpath(link) == str(found)]
