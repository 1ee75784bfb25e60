"""Two processes that train through NCCL, on a GPU each or on one that they share."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import small_data

REPOSITORY = Path(__file__).parents[2]
SECONDS = 240
SAME = ("ddan.dropout", "0.0", "train.optim", "sgd", "train.lr", "0.01")


def environments(processes):
    """Of processes of one run. On one GPU each says that it is another machine, or NCCL refuses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = torch.cuda.device_count() < processes
    one_gpu = {"NCCL_IB_DISABLE": "1", "NCCL_SOCKET_IFNAME": "lo", "NCCL_P2P_DISABLE": "1"}
    for rank in range(processes):
        yield {
            **os.environ,
            **({**one_gpu, "NCCL_HOSTID": f"machine-{rank}"} if alone else {}),
            **{"RANK": str(rank), "LOCAL_RANK": "0" if alone else str(rank)},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            **{"WORLD_SIZE": str(processes), "NVIDIA_TF32_OVERRIDE": "0"},
        }


def outputs_of(commands, environments):
    """What Python prints with some words, each in its environment, all at the same time."""
    running = [
        subprocess.Popen(
            [sys.executable, *words],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words, environment in zip(commands, environments, strict=True)
    ]
    try:
        outputs = [process.communicate(timeout=SECONDS)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert all(process.returncode == 0 for process in running), "\n".join(outputs)[-6000:]
    return outputs


def train(processes, config, folder, exactly):
    """End states of the networks and the pool, in each process."""
    folder.mkdir()
    (folder / "recipe.yaml").write_text(config.dump())
    words = [str(folder / "recipe.yaml"), str(folder / "state"), str(int(exactly))]
    command = ["-m", "tests.gpu.worker", *words]
    outputs_of([command] * processes, environments(processes))
    return [torch.load(folder / f"state-{rank}") for rank in range(processes)]


def test_two_processes_train_what_one_trains(small_config, tmp_path):
    """Batch norms included: SyncBatchNorm has the statistics of the global batch."""
    # Few steps of large batches: each makes rounding differ a hundred times as much.
    options = ("sampler.train_sampler", "RandomIdentitySampler", "train.max_epoch", "1")
    options += ("train.batch_size", "48", "ddan.similarity_start_epoch", "0", "ddan.amp", "off")
    config = small_config(*SAME, *options)
    (expected,) = train(1, config, tmp_path / "one", exactly=True)
    first, second = train(2, config, tmp_path / "two", exactly=True)
    assert first.keys() == expected.keys()
    assert len(expected) > 300
    for name, value in expected.items():
        # Biases before a batch norm change nothing, and are of rounding alone.
        scale = max(float(value.double().abs().max()), 1e-5)
        torch.testing.assert_close(first[name], value, rtol=0, atol=1e-7 * scale, msg=name)
        assert torch.equal(second[name], first[name]), name


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_in_half_precision_all_have_the_same_weights(small_config, tmp_path, amp):
    config = small_config(
        "ddan.amp", amp, "ddan.pool_sharding", "True", "ddan.central_domain", "auto"
    )
    first, second = train(2, config, tmp_path / "two", exactly=False)
    own = {name for name in second if not name.startswith("pool.")}
    assert len(own) > 100
    for name in own:
        assert torch.equal(second[name], first[name]), name
        assert first[name].isfinite().all(), name


def test_torchrun_trains_and_tests(small_root, tmp_path):
    """As it is typed on each of two machines, or on one with two GPUs."""
    alone = torch.cuda.device_count() < 2
    words = [
        *("-m", "ddan_torchreid", "train", *small_data.flags(small_root)),
        *("--config-file", small_data.CONFIG, "data.save_dir", str(tmp_path / "log")),
        *("--targets", "snow", "train.max_epoch", "1"),
    ]
    machines = list(environments(2 if alone else 1))
    commands = []
    for environment in machines:
        number, port = environment.pop("RANK"), environment.pop("MASTER_PORT")
        for name in ("LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR"):
            environment.pop(name)
        where = ["--nnodes", "2", "--node-rank", number, "--nproc-per-node", "1"]
        where += ["--master-addr", "127.0.0.1", "--master-port", port]
        where = where if alone else ["--standalone", "--nproc-per-node", "2"]
        commands.append(["-m", "torch.distributed.run", *where, *words])
    outputs = outputs_of(commands, machines)
    assert "** Results **" in outputs[0]
    assert (tmp_path / "log" / "model" / "model-best.pth.tar").is_file()
