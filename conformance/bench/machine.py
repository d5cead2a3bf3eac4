"""What the benchmark runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Processor, cores, Python, NumPy and its BLAS."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas.get('version', '')}{_kernels()}".strip(),
    }


def _kernels() -> str:
    """Which processor's kernels NumPy's BLAS chose when it was loaded: an older one's may be half as fast."""
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return ", kernels unknown without threadpoolctl"
    chosen = [info["architecture"] for info in threadpool_info() if info.get("internal_api") == "openblas"]
    return f", {chosen[0]} kernels" if chosen else ""


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
