"""The memory that can be had, from what Linux writes about itself."""

import os

import pytest

from ddan_torchreid.system import memory

GB = 10**9
MEMINFO = (
    "MemTotal: 32000000 kB\nMemAvailable: 20000000 kB\nSwapFree: 1000000 kB\nHugePages_Free: 0"
)


@pytest.fixture
def write(tmp_path):
    def write_files(folder, files):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (tmp_path / folder / name).write_text(f"{text}\n")

    write_files("proc/self", {})
    write_files("proc", {"meminfo": MEMINFO})
    return write_files


def test_without_limits_it_is_the_machines_with_swap(write, tmp_path):
    assert memory.available(tmp_path) == 21_000_000 * 1024


def version_1(limit, used, cache):
    return {
        "memory.limit_in_bytes": limit,
        "memory.usage_in_bytes": used,
        "memory.stat": f"inactive_file 1\ntotal_inactive_file {cache}",
    }


def version_2(limit, used, cache):
    return {"memory.max": limit, "memory.current": used, "memory.stat": f"inactive_file {cache}"}


@pytest.mark.parametrize("inside", ["own folder", "the mount only"])
@pytest.mark.parametrize(
    ("line", "mount", "files"),
    [
        ("4:cpu,memory:/jobs/7", "sys/fs/cgroup/memory", version_1),
        ("0::/jobs/7", "sys/fs/cgroup", version_2),
    ],
)
def test_a_group_leaves_its_limit_without_what_is_used(write, tmp_path, line, mount, files, inside):
    write("proc/self", {"cgroup": f"9:name=systemd:/\n{line}"})
    folder = f"{mount}/jobs/7" if inside == "own folder" else mount
    # Cached files give way, so they do not count as used.
    write(folder, files(8 * GB, 5 * GB, 2 * GB))
    assert memory.available(tmp_path) == 5 * GB
    write(folder, files(8 * GB, 9 * GB, 0))
    assert memory.available(tmp_path) == 0
    write(folder, files("max" if files is version_2 else 2**63 - 4096, 5 * GB, 2 * GB))
    assert memory.available(tmp_path) == 21_000_000 * 1024


def test_the_tightest_group_counts(write, tmp_path):
    write("proc/self", {"cgroup": "0::/jobs/7"})
    write("sys/fs/cgroup/jobs", version_2(4 * GB, 0, 0))
    write("sys/fs/cgroup/jobs/7", version_2(8 * GB, 0, 0))
    assert memory.available(tmp_path) == 4 * GB


def test_elsewhere_it_is_all_that_the_machine_has_or_unknown(tmp_path, monkeypatch):
    assert memory.available(tmp_path) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.delattr(os, "sysconf_names")
    assert memory.available(tmp_path) is None


def test_here_it_is_some_of_what_the_machine_has():
    assert 0 < memory.available() < 10**15
