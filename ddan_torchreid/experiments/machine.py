"""What figures were measured on: another processor rounds otherwise and gives other ones."""

from __future__ import annotations

import os
import platform

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
