"""The memory that can be had, from what Linux writes about itself."""

import os

import pytest

from ddan_torchreid.system import memory

GB = 10**9
MEMINFO = "MemTotal: 32000000 kB\nMemAvailable: 20000000 kB\nSwapFree: 1000000 kB\nHugePages: 0"
WHOLE = 21_000_000 * 1024
# Line of /proc/self/cgroup, folder of the groups, and names of limit, use and cache.
VERSIONS = {
    1: (
        *("4:cpu,memory:/jobs/7", "sys/fs/cgroup/memory"),
        *("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ),
    2: ("0::/jobs/7", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
}


@pytest.fixture(params=VERSIONS)
def machine(tmp_path, request):
    """Writes what a machine says of itself; limit, use and cache are of a control group."""
    line, mount, *names, cached = VERSIONS[request.param]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    (tmp_path / "proc/self/cgroup").write_text(f"9:name=systemd:/\n{line}\n")

    def write(folder, limit, used, cache):
        folder = tmp_path / mount / folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.stat").write_text(f"anon 1\n{cached} {cache}\n")
        for name, value in zip(names, (limit, used), strict=True):
            (folder / name).write_text(f"{value}\n")

    return write


@pytest.mark.parametrize("folder", ["jobs/7", "."], ids=["own folder", "the mount only"])
def test_a_group_leaves_its_limit_without_what_is_used(machine, tmp_path, folder):
    assert memory.available(tmp_path) == WHOLE
    # Cached files give way, so they do not count as used.
    machine(folder, 8 * GB, 5 * GB, 2 * GB)
    assert memory.available(tmp_path) == 5 * GB
    machine(folder, 8 * GB, 9 * GB, 0)
    assert memory.available(tmp_path) == 0
    for unlimited in ("max", 2**63 - 4096):
        machine(folder, unlimited, 5 * GB, 2 * GB)
        assert memory.available(tmp_path) == WHOLE


def test_the_tightest_group_counts(machine, tmp_path):
    machine("jobs", 4 * GB, 0, 0)
    machine("jobs/7", 8 * GB, 0, 0)
    assert memory.available(tmp_path) == 4 * GB


def test_elsewhere_it_is_all_that_the_machine_has_or_unknown(tmp_path, monkeypatch):
    assert memory.available(tmp_path) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.delattr(os, "sysconf_names")
    assert memory.available(tmp_path) is None
