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
    """Commit of the checkout and whether it had changes; None outside a repository."""

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    return {"commit": commit, "dirty": commit and bool(git("status", "--porcelain"))}
