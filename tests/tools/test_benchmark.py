"""tools/benchmark.py at sizes that measure nothing: every table is made, and reads as it should."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import results, timing

REPOSITORY = Path(__file__).parents[2]
TOOL = REPOSITORY / "tools" / "benchmark.py"


def benchmark(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments], capture_output=True, text=True, timeout=240
    )


@pytest.mark.parametrize(
    "name",
    [
        "sampler",
        "loader",
        "domains",
        "pool",
        "evaluate",
        "step",
        pytest.param("ddp", marks=pytest.mark.slow),
    ],
)
def test_a_measurement_finds_ratios_or_figures(name, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function: function)  # which takes a minute
    options = timing.Options(torch.device("cpu"), rounds=2, tiny=True)
    result = importlib.import_module(f"benchmarks.{name}").run(options)
    assert result.name == name
    assert result.ratios or result.figures
    for row in result.ratios:
        assert len(row["ours_seconds"]) == len(row["peer_seconds"]) == 2
        assert min(row["ours_seconds"] + row["peer_seconds"]) > 0
        low, middle, high = row["ratio"]
        assert 0 < low <= middle <= high
    text = results.as_text({"machine": {"time": "CPU time"}, "results": [vars(result)]})
    for row in [*result.ratios, *result.figures]:
        assert row["what"] in text


def test_an_option_that_does_not_work_here_is_no_reason_to_stop(monkeypatch):
    def no_compiler(function):
        raise RuntimeError("no compiler\nin any folder")

    monkeypatch.setattr(torch, "compile", no_compiler)
    options = timing.Options(torch.device("cpu"), rounds=1, tiny=True)
    result = importlib.import_module("benchmarks.step").run(options)
    assert len(result.ratios) == 3
    (figure,) = result.figures
    assert figure["what"] == "ours, compile True"
    assert figure["figure"].startswith("not measured: ")
    assert "no compiler" in figure["figure"]


def test_processes_on_gpus_are_only_measured_where_there_are_two(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    result = importlib.import_module("benchmarks.ddp").run(timing.Options(torch.device("cuda")))
    assert [row["figure"] for row in result.figures] == [
        "not measured: it needs 2 GPUs, and there is 1"
    ]
    assert not result.ratios


def test_the_command_prints_the_table_and_writes_it(tmp_path):
    file = tmp_path / "out" / "results.json"
    done = benchmark("sampler", "--tiny", "--rounds", "2", "--json", str(file))
    assert done.returncode == 0, done.stderr
    run = json.loads(file.read_text())
    (result,) = run["results"]
    assert result["name"] == "sampler"
    assert result["title"].endswith("--tiny: smaller, so that the figures mean nothing")
    assert [row["reach"] for row in result["ratios"]] == [None]
    assert "1 thread" in run["machine"]["processor"]
    assert run["machine"]["time"] == "CPU time"
    for row in result["figures"]:
        assert row["figure"] in done.stdout


@pytest.mark.slow
def test_all_measurements_become_one_page_and_render_again(tmp_path):
    data, page = tmp_path / "cpu.json", tmp_path / "docs" / "page.md"
    done = benchmark("all", "--tiny", "--rounds", "1", "--json", str(data), "--markdown", str(page))
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    for name in ("step", "memory", "pool", "sampler", "evaluate", "loader", "domains", "ddp"):
        assert f"### {name}: " in text
    assert "`python tools/benchmark.py all --tiny" in text
    again = benchmark("render", str(data), "--markdown", str(tmp_path / "again.md"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.md").read_text() == text


def test_a_measurement_that_fails_takes_nothing_from_the_others(tmp_path, monkeypatch, capsys):
    def run(command, **_):
        name = command[2]
        made = {"command": name, "machine": {"time": "CPU time"}, "results": [name]}
        Path(command[command.index("--json") + 1]).write_text(json.dumps(made))
        return subprocess.CompletedProcess(command, int(name == "memory"))

    tool = importlib.import_module("benchmark")
    file = tmp_path / "all.json"
    monkeypatch.setattr(tool.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "all", "--json", str(file)])
    with pytest.raises(SystemExit) as stopped:
        tool.main()
    assert stopped.value.code == "failed, see above: memory"
    assert json.loads(file.read_text())["results"] == [
        name for name in tool.BENCHMARKS if name != "memory"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "invalid choice"),
        (["render"], "render takes JSON files"),
        (["pool", "--rounds", "0"], "--rounds 0: write 1 or more"),
    ],
)
def test_a_wrong_call_is_refused(arguments, message):
    done = benchmark(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", ["{", '{"a": 1}'])
def test_other_files_are_not_rendered(content, tmp_path):
    (tmp_path / "odd.json").write_text(content)
    done = benchmark("render", str(tmp_path / "odd.json"))
    assert done.returncode == 1
    assert "odd.json holds no results of this program" in done.stderr
    assert done.stderr.count("\n") == 1


def test_variants_run_in_turn_and_every_second_round_in_the_other_order():
    order, ticks = [], iter(range(100))
    variants = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = timing.interleaved(variants, 3, lambda: float(next(ticks)))
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert seconds == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_ratios_are_taken_round_by_round():
    result = results.Result("name", "title")
    result.compare("what", [1.0, 10.0, 3.0], "peer", [2.0, 10.0, 12.0], 0.5)
    assert result.ratios[0]["ratio"] == np.quantile([0.5, 1.0, 0.25], [0.25, 0.5, 0.75]).tolist()
    result.compare("slow", [3.0], "peer", [2.0], 1.25)
    run = {"command": "tool", "machine": {"time": "CPU time"}, "results": [vars(result)]}
    assert results.as_markdown([run]).count("missed") == 1


def test_the_published_page_and_that_on_speed_say_what_was_measured():
    docs = REPOSITORY / "docs"
    runs = {file.stem: json.loads(file.read_text()) for file in docs.glob("benchmarks_*.json")}
    assert results.as_markdown([runs[name] for name in sorted(runs)]) == (
        docs / "benchmarks.md"
    ).read_text(encoding="utf-8")
    step = next(each for each in runs["benchmarks_gpu"]["results"] if each["name"] == "step")
    ratios = {row["what"]: row["ratio"][1] for row in step["ratios"]}
    page = " ".join((docs / "gpus_and_speed.md").read_text(encoding="utf-8").split())
    takes = f"takes {ratios['our defaults']:.2f} of the time of torchreid's own"
    longer = f"{ratios['ours, cuda_graphs off']:.2f} times as long as the defaults"
    assert f"On an H200 a step of the defaults {takes}, and with" in page
    assert longer in page
    assert f"a step then takes {ratios['ours, compile True']:.2f} of the time there" in page
