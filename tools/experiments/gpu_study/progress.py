"""Shows how far a study is, and copies its results.

It returns when the study has ended, when time is up, and when nothing has moved for a while.

python -m experiments.gpu_study.progress WORK PID SECONDS [OUT]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

from .queue import STATE

EVERY = 30.0
"""Seconds from one table to the next."""
PATIENCE = float(os.environ.get("STUDY_PATIENCE", "150"))
"""Seconds without a step, a record or a rendered batch after which it is no use to wait."""


def main() -> None:
    """Watches."""
    work, pid, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    out = Path(sys.argv[4]) if len(sys.argv) > 4 and sys.argv[4] else None
    end = time.monotonic() + seconds
    before: dict[str, Any] | None = None
    shown = time.monotonic() - EVERY + 10
    marks, moved = None, time.monotonic()
    while True:
        state = _state(work)
        ended = bool(state and state["ended"]) or not _alive(pid)
        if state and marks != (marks := [state[key] for key in ("steps", "found", "rendered")]):
            moved = time.monotonic()
        stuck = time.monotonic() - moved > PATIENCE
        last = ended or stuck or time.monotonic() >= end
        if last or time.monotonic() - shown >= EVERY:
            shown = time.monotonic()
            _show(work, state, before)
            before = state
            if out is not None:
                _copy(work, out, everything=last)
        if last:
            break
        time.sleep(1)
    if not (state and state["ended"]) and ended:
        print("the queue has died:\n" + _tail(work / "logs" / "queue.log", 15))
    if stuck:
        print(f"nothing has moved for {PATIENCE:.0f} seconds:")
        for log in sorted((work / "logs").glob("*.log")):
            print(f"{log.name}: {_tail(log, 2)}")


def _state(work: Path) -> dict[str, Any] | None:
    try:
        return json.loads((work / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has asked after is not alive.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _show(work: Path, state: dict[str, Any] | None, before: dict[str, Any] | None) -> None:
    if state is None:
        print("not begun:\n" + _tail(work / "logs" / "queue.log", 5), flush=True)
        return
    each = state["steps_a_run"]
    left = (state["waiting"] + len(state["running"])) * each
    left -= sum(run["steps"] for run in state["running"])
    text = f"{state['found']}/{state['total']} recorded, {len(state['running'])} running, "
    text += f"{state['waiting']} waiting, {len(state['failed'])} failed"
    text += f", streams {state['rendered'][0]}/{state['rendered'][1]}, centre {state['centres']}"
    if before is not None and state["time"] > before["time"]:
        rate = (state["steps"] - before["steps"]) / (state["time"] - before["time"])
        text += f", {rate:.0f} steps/s"
        text += f", {left / rate:.0f} s left" if rate else ""
    print(f"[{time.strftime('%H:%M:%S')}] {text}; {_gpu()}")
    for run in state["running"]:
        name = " ".join(map(str, run["run"]))
        since = state["time"] - run["since"]
        print(f"   {run['worker']:2d} {name:40s} {run['steps']:5d}/{each} {since:4.0f} s")
    for failure in state["failed"][-3:]:
        print(f"   failed {failure['run']}: {failure['error'][-200:]}")
    for error in state["errors"]:
        print(f"   rendering: {error[-200:]}")
    sys.stdout.flush()


def _gpu() -> str:
    query = "--query-gpu=utilization.gpu,memory.used"
    try:
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=9,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "no GPU"
    return f"GPU {done.stdout.strip()}, load {os.getloadavg()[0]:.0f}"


def _copy(work: Path, out: Path, everything: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for file in (work / "results").glob("*.jsonl"):
        shutil.copy(file, out)
    if everything:
        for file in (work / "weights").glob("*.pth"):
            shutil.copy(file, out)
        with tarfile.open(out / "logs.tar.gz", "w:gz") as archive:
            archive.add(work / "logs", "logs")


def _tail(file: Path, lines: int) -> str:
    return (
        "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""
    )


if __name__ == "__main__":
    main()
