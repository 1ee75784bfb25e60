"""The launcher runs a script as Python itself would."""

import json
import subprocess
import sys

import pytest

from ddan_torchreid import cli
from ddan_torchreid.integration import main_script
from tests.commands.refused import refused

SCRIPT = """
import json, sys
import neighbour
seen = [__name__, __file__, sys.argv, sys.path[0], neighbour.name]
print(json.dumps(seen))
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "neighbour.py").write_text("name = 'found'")
    path = folder / "script.py"
    path.write_text(SCRIPT)
    monkeypatch.setattr(sys, "argv", ["ddan-torchreid"])
    monkeypatch.setattr(sys, "path", ["the launcher's folder", *sys.path])
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    # It would let the rest of this test process import what users of PyPI's torchreid cannot.
    monkeypatch.setattr(main_script, "name_modules", lambda: None)
    return path


def test_the_script_sees_what_python_would_give_it(script, capsys):
    # Words that the command line itself knows are the script's here.
    words = ["--config-file", "a.yaml", "-s", "b", "--traceback", "-h", "key", "value"]
    by_python = subprocess.run(
        [sys.executable, script, *words], capture_output=True, text=True, check=True
    )
    assert cli.main(["run", str(script), *words]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(by_python.stdout)


@pytest.mark.parametrize(("ending", "status"), [("3", 3), ("None", None), ("'why'", "why")])
def test_the_script_decides_its_exit_status(script, ending, status):
    script.write_text(f"import sys; sys.exit({ending})")
    with pytest.raises(SystemExit) as exit_:
        cli.main(["run", str(script)])
    assert exit_.value.code == status


def test_an_error_of_the_script_is_shown_whole(script, capsys):
    script.write_text("def f():\n    raise ValueError('odd')\nf()\n")
    assert cli.main(["run", str(script)]) == 1
    error = capsys.readouterr().err
    assert "line 2, in f" in error
    assert error.endswith("ValueError: odd\n")


def test_a_missing_script_is_named(tmp_path, capsys):
    assert "there is no script" in refused(["run", tmp_path / "main.py"], capsys)
    assert refused(["run"], capsys).endswith("arguments are required: script")
