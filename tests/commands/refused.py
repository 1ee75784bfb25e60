"""What all refusals of the command line have in common."""

from ddan_torchreid.cli import main

START = "ddan-torchreid: error: "


def refused(words, capsys):
    """The reason, in one line, for which a command ends with status 2."""
    capsys.readouterr()
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(START)
    assert error.count("\n") == 1
    return error.removeprefix(START).strip()
