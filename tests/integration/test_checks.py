"""Bad input: each is one line that says what to write, before any image is read."""

import pytest
import torchreid

from ddan_torchreid.data.datasets.published import DATASETS
from ddan_torchreid.integration import builder, checks
from tests import miniatures


@pytest.fixture(autouse=True)
def no_image_is_read(monkeypatch):
    def refuse(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(torchreid.data.datasets.dataset, "read_image", refuse)


SOFTMAX = {"loss.name": "softmax", "sampler.train_sampler": "RandomSampler"}
REFUSED = [
    ({"ddan.central_domain": "fil"}, "ddan.central_domain='fil' .* did you mean 'film'"),
    ({"data.sources": "['film']"}, "two source domains or more, got film"),
    ({"train.batch_size": "30"}, "not a multiple of sampler.num_instances=4; write 28 or 32"),
    ({"train.batch_size": "2"}, "write 4$"),
    ({"train.batch_size": "1", "sampler.num_instances": "1"}, "2 or more"),
    ({"ddan.top_k": "500"}, r"^ddan\.top_k=500 is more .* write ddan\.top_k 10 or less$"),
    ({"ddan.temperature": "0.0"}, r"^ddan\.temperature=0.0 must be above 0"),
    (
        {"ddan.cuda_graphs": "on"},
        r"^ddan\.cuda_graphs 'on' needs a GPU; write ddan\.cuda_graphs 'a",
    ),
    ({"ddan.dropout": "1.0"}, r"ddan.dropout=1.0 must be .* below 1"),
    ({"data.sources": "['plazza', 'film']"}, "data.sources: .* did you mean 'plaza'"),
    ({"data.targets": "['vipper']"}, "did you mean 'viper'"),
    ({"data.targets": "[]"}, "data.targets is empty"),
    ({"data.targets": "['snow', 'snow']"}, "twice"),
    ({"data.combineall": "True", "data.targets": "['film']"}, "both source and target"),
    ({"sampler.train_sampler": "MultiDomainSampler"}, "did you mean 'MultiDomainIdentity"),
    ({"sampler.train_sampler": "RandomSampler"}, "several images of each identity"),
    ({"sampler.train_sampler_t": "Random"}, "RandomSampler"),
    ({"data.transforms": "['dan']"}, "did you mean 'ddan'"),
    ({"data.transforms": "['ddan', 'random_erase']"}, "cannot be mixed with random_erase"),
    ({"model.name": "ddan_mobilenet_x1_0"}, "did you mean 'ddan_mobilenetv2_x1_0'"),
    ({"model.name": "osnet_x1_0"}, "no mapping network to align; write ddan_osnet_x1_0"),
    ({"model.name": "hacnn"}, "write model.name ddan_mobilenetv2_x1_0"),
    ({"model.pretrained": "True"}, "width 1.0"),
    ({"model.load_weights": "nowhere.pth"}, "there is no checkpoint 'nowhere.pth'"),
    ({"model.resume": "nowhere.pth"}, "there is no checkpoint 'nowhere.pth'"),
    ({"loss.name": "dan"}, "did you mean 'ddan'"),
    ({"train.staged_lr": "True", "train.new_layers": "['necks']"}, "did you mean 'neck'"),
    ({"train.fixbase_epoch": "1", "train.open_layers": "['head']"}, "no layer 'head'"),
    (
        {"train.fixbase_epoch": "1", "train.open_layers": "['dropout']"},
        r"\['dropout'\] leaves nothing to train for train.fixbase_epoch=1; add 'classifier'",
    ),
    ({"data.k_tfm": "2"}, "data.k_tfm=2 .* write data.k_tfm 1"),
    ({"ddan.fine_tune": "True", "model.resume": "auto"}, "of model.load_weights; name them"),
    ({"ddan.amp": "bf16", "data.width": "16"}, "write ddan.amp off, or data.width 32"),
    (SOFTMAX | {"train.batch_size": "5000"}, "train.batch_size=5000 is more than the"),
    ({"data.type": "video"}, "data.type: .* write one of image"),
    ({"data.height": "0"}, "data.height=0 must be a whole number, 1 or more"),
    ({"test.ranks": "[]"}, "test.ranks"),
    ({"test.ranks": "[0, 5]"}, "must be a list of whole numbers, 1 or more"),
    ({"train.lr": "-1"}, "train.lr=-1.0 must be a finite number, 0 or more"),
    ({"train.seed": "-1"}, "train.seed=-1"),
    ({"train.seed": str(2**32)}, "below 4294967296"),
    ({"train.optim": "adamw"}, "did you mean 'adam'"),
    ({"train.lr_scheduler": "step"}, "write one of single_step, multi_step, cosine"),
    ({"test.visrank": "True"}, "test.evaluate True"),
    ({"test.dist_metric": "cosin"}, "did you mean 'cosine'"),
    ({"data.norm_std": "[0.2, 0.0, 0.2]"}, "data.norm_std"),
    ({"data.norm_mean": "[0.5]"}, "data.norm_mean"),
    ({"adam.beta1": "1.0"}, "adam.beta1"),
    ({"train.optim": "sgd", "sgd.nesterov": "True", "sgd.momentum": "0.0"}, "momentum"),
    ({"sampler.train_sampler": "RandomDomainSampler", "sampler.num_cams": "5"}, "num_cams=5"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED)
def test_bad_input_is_one_line(small_config, options, says):
    with pytest.raises((ValueError, FileNotFoundError), match=says) as error:
        builder.build(small_config(*(word for pair in options.items() for word in pair)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_dataset_is_named_and_nothing_is_left_behind(small_config, tmp_path, name):
    config = small_config("data.root", str(tmp_path / "empty"), "ddan.central_domain", "film")
    for sources, target in ((["film", name], "snow"), (["film", "mall"], name)):
        config.data.sources, config.data.targets = sources, [target]
        with pytest.raises(FileNotFoundError, match=rf"dataset {name} is not under .*--root"):
            checks.check(config)
    assert not (tmp_path / "empty").exists()


def test_an_empty_dataset_is_named(small_config, tmp_path):
    (tmp_path / "cuhksysu" / "cropped_images").mkdir(parents=True)
    config = small_config("data.root", str(tmp_path), "ddan.central_domain", "cuhksysu")
    config.data.sources = ["cuhksysu", "cuhksysu"]
    with pytest.raises(ValueError, match="cuhksysu twice"):
        builder.build(config)
    config = small_config("data.root", str(tmp_path), "ddan.central_domain", "cuhksysu")
    config.data.sources = ["film", "cuhksysu"]
    with pytest.raises(ValueError, match="cuhksysu has no image in train; get"):
        builder.build(config)


@pytest.mark.parametrize("role", ["sources", "targets"])
def test_splits_of_a_part_of_a_dataset_are_refused_before_training(small_config, tmp_path, role):
    miniatures.write_viper(tmp_path)
    content = (tmp_path / "viper" / "VIPeR" / "cam_a" / "007_0.bmp").read_bytes()
    torchreid.data.datasets.init_image_dataset("viper", root=str(tmp_path), verbose=False)
    config = small_config("data.root", str(tmp_path), "ddan.central_domain", "film")
    config.data[role] = ["film", "viper"]
    checks.check(config)
    for camera, number in (("a", 0), ("b", 90)):
        image = tmp_path / "viper" / "VIPeR" / f"cam_{camera}" / f"700_{number}.bmp"
        image.write_bytes(content)
    with pytest.raises(ValueError, match=r"was drawn when 2 images of viper .* --fix-splits"):
        builder.build(config)
    image.unlink()
    image.with_name("631_90.bmp").unlink()
    (tmp_path / "viper" / "VIPeR" / "cam_a" / "700_0.bmp").unlink()
    with pytest.raises(ValueError, match="1 images of viper that .* lists are not there"):
        builder.build(config)
    config.ddan.bad_images = "skip"
    checks.check(config)
    config.ddan.bad_images = "error"
    if role == "sources":  # which an evaluation does not read
        config.test.evaluate = True
        checks.check(config)
