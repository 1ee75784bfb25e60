"""What figures were measured on: another processor rounds otherwise and gives other ones."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """One line: GPU or processor, and the versions that matter."""
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"{os.cpu_count()} CPU cores ({processor()})"
    )
    return f"{device}, Python {platform.python_version()}, torch {torch.__version__}"


def git_state() -> dict[str, Any]:
    """Commit of the package's checkout and whether it had changes; None for an installed copy."""
    here = Path(__file__).parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=30
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # An installed copy can lie inside somebody else's repository.
    if not git("ls-files", str(Path(__file__))):
        return {"commit": None, "dirty": None}
    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
