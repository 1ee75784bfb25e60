"""The autoload of an environment, with a torchreid and a ddan_torchreid of one line each."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ddan_torchreid import cli
from ddan_torchreid.integration import autoload

MODULES = "import sys; print(*sorted(sys.modules))"


class Environment:
    """A virtual environment without packages."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=os.name != "nt")
        self.folder = folder
        programs = "Scripts" if os.name == "nt" else "bin"
        self.interpreter = str(folder / programs / "python")
        self.site_packages = next(folder.rglob("site-packages"))

    def write(self, name: str, text: str) -> None:
        (self.site_packages / name).write_text(text, encoding="utf-8")

    def python(self, code: str) -> subprocess.CompletedProcess:
        clean = {key: text for key, text in os.environ.items() if not key.startswith("PYTHON")}
        # Away from the repository, whose packages Python would find in the working directory.
        return subprocess.run(
            [self.interpreter, "-c", code],
            capture_output=True, text=True, env=clean, cwd=self.folder, check=True,
        )  # fmt: skip


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "venv")


def test_torchreid_brings_ddan_along(environment):
    environment.write("torchreid.py", "name = __loader__.__class__.__name__")
    environment.write("ddan_torchreid.py", "import torchreid; print('with', torchreid.name)")
    code = "import torchreid; print(torchreid.__spec__.loader is torchreid.__loader__)"
    assert environment.python(code).stdout.split() == ["True"]
    autoload.enable(environment.site_packages)
    ours_too = f"import ddan_torchreid; {code}"
    assert environment.python(code).stdout.split() == ["with", "SourceFileLoader", "True"]
    assert environment.python(ours_too).stdout.split() == ["with", "SourceFileLoader", "True"]
    assert environment.python("import json").stdout == ""


def test_a_start_of_python_loads_one_module_more(environment):
    # Python 3.13 loads a codec as soon as there is any such file.
    environment.write("other.pth", "# nothing")
    before = environment.python(MODULES).stdout.split()
    autoload.enable(environment.site_packages)
    after = environment.python(MODULES).stdout.split()
    assert set(after) - set(before) == {autoload.HOOK}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No module named 'ddan_torchreid'"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("syntax error", "SyntaxError"),
    ],
)
def test_torchreid_works_where_ddan_does_not(environment, content, reason):
    environment.write("torchreid.py", "answer = 42")
    if content is not None:
        environment.write("ddan_torchreid.py", content)
    autoload.enable(environment.site_packages)
    result = environment.python("import torchreid; print(torchreid.answer)")
    assert result.stdout.split() == ["42"]
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert environment.python("pass").stderr == ""
    # The line says what to do, also where the command is gone.
    Path(result.stderr.split("delete ")[1].strip()).unlink()
    assert environment.python("import torchreid").stderr == ""


def test_errors_of_torchreid_are_its_own(environment):
    autoload.enable(environment.site_packages)
    environment.write("ddan_torchreid.py", "print('loaded')")
    catch = "try: import torchreid\nexcept ImportError as error: print(error)"
    assert environment.python(catch).stdout.strip() == "No module named 'torchreid'"
    environment.write("torchreid.py", "raise ImportError('numpy is missing')")
    assert environment.python(catch).stdout.strip() == "numpy is missing"
    # A folder of that name without __init__.py, such as a checkout's parent.
    (environment.site_packages / "torchreid.py").unlink()
    (environment.site_packages / "torchreid").mkdir()
    assert environment.python("import torchreid").stdout == ""


def test_enable_status_and_disable(environment, monkeypatch, capsys):
    monkeypatch.setattr(autoload, "site_packages", lambda: environment.site_packages)
    folder = environment.site_packages
    before = sorted(folder.rglob("*"))

    def run(*words):
        status = cli.main(["autoload", *words])
        return status, capsys.readouterr().out.split(f" in {folder}")[0]

    assert run() == (0, "autoload is disabled")
    assert run("enable") == (0, "autoload is enabled")
    assert run("enable") == (0, "autoload is enabled")
    assert run("status") == (0, "autoload is enabled")
    environment.python("pass")
    environment.write(f"{autoload.HOOK}.py", "# of another version\n")
    assert run("status") == (0, "autoload is outdated")
    assert run("enable") == (0, "autoload is enabled")
    assert run("disable") == (0, "autoload is disabled")
    assert run("disable") == (0, "autoload is disabled")
    assert [file for file in sorted(folder.rglob("*")) if file.is_file()] == [
        file for file in before if file.is_file()
    ]


def test_refuses_in_one_line_where_it_cannot_write(tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(autoload, "site_packages", lambda: file)
    assert cli.main(["autoload", "enable"]) == 1
    assert "cannot be changed" in (error := capsys.readouterr().err)
    assert len(error.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_refuses_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="virtual environment"):
        autoload.enable(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_default_environment_is_the_running_one():
    assert autoload.site_packages().is_dir()
    assert str(autoload.site_packages()).startswith(sys.prefix)
