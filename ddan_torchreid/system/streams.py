"""Text streams that write every character: as it is, or as an escape where they cannot."""

from __future__ import annotations

import io
from typing import Any

ESCAPED = "backslashreplace"


def escape_unknown(*streams: Any) -> None:
    """Lets text streams write what their encoding has not as an escape, such as ``\\u4eba``.

    File names need not be valid text, and consoles need not know every letter. What is no text
    stream of Python's, such as a notebook's, stays as it is.
    """
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ESCAPED)


class Tee(io.TextIOBase):
    """Writes to several files; torchreid's Logger closes the console when it is dropped."""

    def __init__(self, *files: Any) -> None:
        self.files = files

    def write(self, text: str) -> int:
        for file in self.files:
            file.write(text)
        return len(text)

    def flush(self) -> None:
        for file in self.files:
            file.flush()
