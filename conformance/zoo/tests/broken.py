"""A member of the zoo with one line of its source edited, behind its adapter."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.zoo import shapes


def broken(member: str, there: str, instead: str) -> Any:
    """The adapter of a member in whose source something that is there once is replaced."""
    adapters, module = Path(shapes.__file__), ModuleType(f"conformance.zoo.{member}")
    source = adapters.with_name(f"{member}.py").read_text(encoding="utf-8")
    assert source.count(there) == 1, f"{there!r} is {source.count(there)} times in {member}.py"
    exec(compile(source.replace(there, instead), f"broken {member}", "exec"), vars(module))
    names: dict[str, Any] = {}
    exec(compile(adapters.read_text(encoding="utf-8"), str(adapters), "exec"), names)
    (alias,) = (name for name, value in names.items() if getattr(value, "__name__", "") == module.__name__)
    names[alias] = module
    return names[member]
