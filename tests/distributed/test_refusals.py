"""What several processes refuse: what cannot be shared out, and what differs between them."""

import shutil

import pytest

from ddan_torchreid import distributed
from ddan_torchreid.integration.builder import build
from ddan_torchreid.integration.registry import register_own
from tests.distributed.launch import run

SMALL = ("data.height", "32", "data.width", "16")


def refused(make_config, *options):
    """Why an engine is not built when the second process has further options."""
    config = make_config(*SMALL, *(options if distributed.rank() == 1 else ()))
    with pytest.raises(ValueError) as error:
        build(config)
    return str(error.value)


def refused_with_another_mall(make_config, folder):
    if distributed.rank() == 1:
        register_own([f"mall={folder}"])
    return refused(make_config)


def test_processes_with_different_images_do_not_train_together(small_config, small_root, tmp_path):
    folder = shutil.copytree(small_root / "mall", tmp_path / "mall")
    next((folder / "bounding_box_train").iterdir()).unlink()
    texts = run(2, refused_with_another_mall, small_config, folder)
    assert all("different training images" in text for text in texts)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("loss.name", "softmax"), "write loss.name ddan"),
        (("train.batch_size", "20"), "a batch of 20 cannot be shared out to 2 processes"),
    ],
)
def test_what_several_processes_refuse(small_config, options, says):
    texts = run(2, refused, lambda *more: small_config(*options, *more))
    assert all(says in text for text in texts)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("train.lr", "0.5"), "train.lr is 0.5 in process 1 and 0.003 in process 0; start all"),
        (("train.max_epoch", "3"), "train.max_epoch is 3 in process 1 and 2 in process 0"),
        (("data.sources", "['film', 'mall']"), "data.sources is ['film"),
        (("model.load_weights", __file__), "the file of model.load_weights is 'test_ref"),
        (("data.workers", "1", "data.save_dir", "elsewhere", "ddan.top_k", "2"), "ddan.top_k is 2"),
    ],
)
def test_processes_with_different_options_do_not_train_together(small_config, options, says):
    texts = run(2, refused, small_config, *options)
    assert texts[0] == texts[1]
    assert texts[0].startswith(says)
