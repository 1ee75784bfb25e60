"""What ``import ddan_torchreid`` costs and changes for programs that only use torchreid."""

import subprocess
import sys

import pytest
import torchreid

from ddan_torchreid.config import schema
from ddan_torchreid.evaluation.ranking import EVALUATORS
from ddan_torchreid.integration import builder

# What takes long to import. Each is imported where it is used.
HEAVY = {"IPython", "h5py", "joblib", "matplotlib", "networkx", "onnx", "ot", "pandas", "sklearn"}
LISTED = """
import sys, warnings
warnings.simplefilter("ignore")
import torchreid
evaluator, before = torchreid.metrics.evaluate_rank, set(sys.modules)
import ddan_torchreid
print(torchreid.metrics.evaluate_rank is evaluator, *sorted(set(sys.modules) - before))
"""


@pytest.fixture(scope="module")
def imported():
    """Whether torchreid's evaluator is its own, and the modules that come on top of torchreid's."""
    words = [sys.executable, "-c", LISTED]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_no_heavy_library_is_imported(imported):
    added = imported[1:]
    assert "ddan_torchreid.engine" in added
    assert not HEAVY & {name.partition(".")[0] for name in added}
    assert not {"scipy.io", "scipy.stats", "scipy.optimize", "scipy.sparse"} & set(added)


def test_torchreids_evaluator_stays_its_own(imported):
    assert imported[0] == "True"


@pytest.mark.parametrize("loss", ["ddan", "softmax"])
def test_an_engine_ranks_with_its_evaluator_and_leaves_torchreids(small_config, monkeypatch, loss):
    used = []
    for name, evaluate in dict(EVALUATORS).items():
        monkeypatch.setitem(
            EVALUATORS, name, lambda *a, n=name, e=evaluate, **k: (used.append(n), e(*a, **k))[1]
        )
    before = torchreid.metrics.evaluate_rank
    for evaluator in ("torchreid", "ddan"):
        options = ("loss.name", loss, "test.evaluate", "True", "ddan.evaluator", evaluator)
        settings = small_config(*options)
        builder.build(settings).run(**schema.arguments(settings, "run"))
        assert torchreid.metrics.evaluate_rank is before
    # DDAN's engine has more to score than CMC and mAP, and takes them from the same ranks.
    assert set(used) == ({"torchreid"} if loss == "ddan" else {"torchreid", "ddan"})


def test_the_losses_are_a_module_of_the_package_too():
    """As they were before they had a room: programs import them so."""
    import ddan_torchreid.losses as module
    from ddan_torchreid.losses import identity_loss

    assert module.identity_loss is identity_loss
