"""What happened to a loading worker that the machine ended, from what torch says of it."""

from __future__ import annotations

import re

_ENDED = re.compile(
    r"DataLoader worker \(pid(?:\(s\))? (?P<pids>[\d, ]+)\) "
    r"(?:is killed by signal: (?P<signal>[^.\n]+)|exited unexpectedly)"
)
MEMORY = "as the system does when memory is full"
SHARED = "the shared memory of the loading workers is full: give it more (docker run --shm-size)"
GONE = "a loading worker ended unexpectedly"
FILES = "too many files are open: allow more (ulimit -n)"
# Words of torch, Python and the system, and what they mean; the first that fits counts.
_MEANINGS = (
    ("received 0 items of ancdata", FILES),
    (r"</torch_.*Too many open files", FILES),
    ("</torch_.*(No space left|Cannot allocate memory)", SHARED),
    ("Caught MemoryError in DataLoader worker", "a loading worker had no memory left"),
    # While its image was being fetched, and torch still took it for alive.
    (r"\A\[Errno \d+\] Connection (reset by peer|refused)\Z", GONE),
    (r"\A\[Errno 12\] Cannot allocate memory\Z", "the memory is full: no loading worker starts"),
)


def loss_of_workers(error: BaseException) -> str:
    """What happened in a line; empty for an error that is of something else."""
    text = str(error)
    if ended := _ENDED.search(text):
        # Where the main process was waiting for an image, only what it came from names the signal.
        causes = (_ENDED.search(str(each)) for each in (error.__cause__, error.__context__))
        ended = next((cause for cause in causes if cause and cause["signal"]), ended)
        who = f"a loading worker (process {ended['pids']})"
        if ended["signal"] == "Bus error":
            return f"{who} was ended by a bus error; {SHARED}"
        if ended["signal"] == "Killed":
            return f"{who} was killed, {MEMORY}"
        return f"{who} ended unexpectedly" + (f" ({ended['signal']})" if ended["signal"] else "")
    return next((says for words, says in _MEANINGS if re.search(words, text)), "")
