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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("ddan.central_domain", "fil"), "did you mean 'film'"),
        (("ddan.central_domain", "snow"), "is not among the sources"),
        (("data.sources", "['film']"), "two source domains or more, got film"),
        (("train.batch_size", "30"), "not a multiple of sampler.num_instances=4; write 28 or 32"),
        (("train.batch_size", "2"), "write 4$"),
        (("ddan.top_k", "500"), r"^ddan\.top_k=500 is more .* write ddan\.top_k 10 or less$"),
        (("ddan.temperature", "0.0"), r"^ddan\.temperature=0.0 must be above 0"),
        (
            ("ddan.cuda_graphs", "on"),
            r"^ddan\.cuda_graphs 'on' needs a GPU; write ddan\.cuda_graphs 'a",
        ),
        (("ddan.dropout", "1.0"), r"ddan.dropout=1.0 must be in \[0, 1\)"),
        (("data.root", "1" * 300, "data.targets", "['viper']"), "File name too long; give another"),
        (("data.sources", "['plazza', 'film']"), "did you mean 'plaza'"),
        (("data.targets", "['vipper']"), "did you mean 'viper'"),
        (("data.targets", "[]"), "data.targets is empty"),
        (("data.targets", "['snow', 'snow']"), "twice"),
        (("sampler.train_sampler", "MultiDomainSampler"), "did you mean 'MultiDomainIdentity"),
        (("sampler.train_sampler", "RandomSampler"), "several images of each identity"),
        (("data.transforms", "['dan']"), "did you mean 'ddan'"),
        (("data.transforms", "['ddan', 'random_erase']"), "cannot be mixed with random_erase"),
        (("model.name", "ddan_mobilenet_x1_0"), "did you mean 'ddan_mobilenetv2_x1_0'"),
        (("model.name", "osnet_x1_0"), "no mapping network to align; write ddan_osnet_x1_0"),
        (("model.pretrained", "True"), "width 1.0"),
        (("loss.name", "dan"), "did you mean 'ddan'"),
        (("train.staged_lr", "True", "train.new_layers", "['necks']"), "did you mean 'neck'"),
        (("train.fixbase_epoch", "1", "train.open_layers", "['head']"), "no layer 'head'"),
        (
            (
                *("train.fixbase_epoch", "1", "train.open_layers", "['neck']"),
                *("ddan.weight_identity", "0.0"),
            ),
            "nothing trains the layers of train.open_layers",
        ),
        (("train.fixbase_epoch", "1", "train.open_layers", "[]"), "leaves nothing to train for"),
        (
            ("train.fixbase_epoch", "1", "train.open_layers", "['dropout']"),
            r"\['dropout'\] leaves nothing to train for train.fixbase_epoch=1; add 'classifier'",
        ),
        (("model.name", "hacnn"), "write model.name ddan_mobilenetv2_x1_0"),
        (("model.name", "mlfn"), "write model.name ddan_mobilenetv2_x1_0"),
        (("data.k_tfm", "2"), "data.k_tfm=2 .* write data.k_tfm 1"),
        (("ddan.fine_tune", "True", "model.resume", "auto"), "of model.load_weights; name them"),
        (("ddan.amp", "bf16", "data.width", "16"), "write ddan.amp off, or data.width 32"),
        (
            (
                *("loss.name", "softmax", "sampler.train_sampler", "RandomSampler"),
                *("train.batch_size", "5000"),
            ),
            "train.batch_size=5000 is more than the",
        ),
        (("data.type", "video"), "write 'image'"),
        (("data.height", "0"), "above 0"),
        (("test.ranks", "[]"), "test.ranks"),
        (("test.ranks", "[0, 5]"), "above 0"),
        (("data.combineall", "True", "data.targets", "['film']"), "both source and target"),
        (("train.batch_size", "1", "sampler.num_instances", "1"), "2 or more"),
        (("train.print_freq", "0"), "train.print_freq=0 must be a whole number above 0"),
        (("train.lr", "-1"), "train.lr=-1.0 must be a number, 0 or more"),
        (("train.seed", "-1"), "train.seed=-1"),
        (("train.seed", str(2**32)), r"below 2\*\*32"),
        (("train.stepsize", "[]"), "train.stepsize"),
        (("train.stepsize", "[0]"), "train.stepsize"),
        (("train.optim", "adamw"), "did you mean 'adam'"),
        (("train.lr_scheduler", "step"), "write one of single_step, multi_step, cosine"),
        (("test.dist_metric", "cosin"), "did you mean 'cosine'"),
        (("test.visrank", "True"), "test.evaluate True"),
        (("data.norm_std", "[0.2, 0.0, 0.2]"), "data.norm_std"),
        (("data.norm_mean", "[0.5]"), "data.norm_mean"),
        (("adam.beta1", "1.0"), "adam.beta1"),
        (("train.optim", "sgd", "sgd.nesterov", "True", "sgd.momentum", "0.0"), "momentum"),
        (("sampler.train_sampler_t", "Random"), "RandomSampler"),
        (
            ("sampler.train_sampler", "RandomDomainSampler", "sampler.num_cams", "5"),
            "not a multiple of sampler.num_cams=5",
        ),
        (
            ("sampler.train_sampler", "RandomDatasetSampler", "sampler.num_datasets", "4"),
            "more than the 3 sources",
        ),
        (("model.load_weights", "nowhere.pth"), "there is no checkpoint 'nowhere.pth'"),
        (("model.resume", "nowhere.pth"), "there is no checkpoint 'nowhere.pth'"),
    ],
)
def test_bad_input_is_one_line(small_config, options, says):
    with pytest.raises((ValueError, FileNotFoundError), match=says) as error:
        builder.build(small_config(*options))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_dataset_is_named_and_nothing_is_left_behind(small_config, tmp_path, name):
    config = small_config("data.root", str(tmp_path / "empty"), "data.targets", f"['{name}']")
    config.data.sources = ["cuhk02", "cuhk03"]
    config.ddan.central_domain = "cuhk02"
    with pytest.raises(
        FileNotFoundError, match=r"dataset cuhk02 is not under the data root.*--root"
    ):
        builder.build(config)
    config.data.sources = ["film", "mall"]
    config.ddan.central_domain = "film"
    with pytest.raises(FileNotFoundError, match=rf"dataset {name} is not under the data root"):
        builder.build(config)
    assert not (tmp_path / "empty").exists()


def test_an_empty_dataset_is_named(small_config, tmp_path):
    (tmp_path / "cuhksysu" / "cropped_images").mkdir(parents=True)
    config = small_config("data.root", str(tmp_path), "ddan.central_domain", "cuhksysu")
    config.data.sources = ["cuhksysu", "cuhksysu"]
    with pytest.raises(ValueError, match="cuhksysu twice"):
        builder.build(config)
    config = small_config("data.root", str(tmp_path), "ddan.central_domain", "cuhksysu")
    config.data.sources = ["film", "cuhksysu"]
    with pytest.raises(ValueError, match=r"cannot be loaded: .*check their folders"):
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


def test_the_layouts_are_where_torchreid_looks(small_config, real_root, tmp_path):
    names = [*miniatures.SOURCES, *miniatures.TARGETS]
    assert not checks.missing_data(small_config("data.root", str(real_root)), names)
    absent = checks.missing_data(small_config("data.root", str(tmp_path)), names)
    assert set(absent) == set(names)
