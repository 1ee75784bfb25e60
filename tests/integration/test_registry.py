"""What torchreid knows after ``import ddan_torchreid``."""

import sys

import pytest
import torchreid

import ddan_torchreid
from ddan_torchreid.data.transforms import PaperAugmentation
from ddan_torchreid.integration import registry

DATAMANAGER = sys.modules[torchreid.data.ImageDataManager.__module__]
BUILDERS = ("build_train_sampler", "build_transforms")
ITEMS = [(f"{pid}_{n}.jpg", pid, n, pid % 2) for pid in range(8) for n in range(4)]


def test_registering_again_changes_nothing():
    before = [getattr(DATAMANAGER, name) for name in BUILDERS]
    finders, models = list(sys.meta_path), list(registry.models())
    ddan_torchreid.register()
    assert [getattr(DATAMANAGER, name) for name in BUILDERS] == before
    assert sys.meta_path == finders
    assert list(registry.models()) == models


def test_torchreid_knows_ddan_s_names():
    assert torchreid.engine.ImageDDANEngine is ddan_torchreid.ImageDDANEngine
    assert {"ddan_mobilenetv2_x1_0", "ddan_mobilenetv2_in_bn_x1_0", "ddan_resnet50"} <= set(
        registry.models()
    )
    assert registry.datasets()["market1501"].__name__ == "Market1501"
    model = torchreid.models.build_model(
        "ddan_osnet_x0_25", num_classes=3, loss="softmax", pretrained=False, use_gpu=False
    )
    assert model.classifier.out_features == 3


def test_names_of_torchreid_are_never_replaced(monkeypatch):
    monkeypatch.setitem(registry.models(), "ddan_resnet50", len)
    ddan_torchreid.register()
    assert registry.models()["ddan_resnet50"] is len


@pytest.mark.parametrize("name", ["RandomSampler", "RandomIdentitySampler", "SequentialSampler"])
def test_other_samplers_are_torchreid_s(name):
    build = DATAMANAGER.build_train_sampler
    sampler = build(list(ITEMS), name, batch_size=8, num_instances=2, num_cams=1, num_datasets=1)
    plain = build.__wrapped__(list(ITEMS), name, batch_size=8, num_instances=2)
    assert type(sampler) is type(plain)
    assert len(sampler) == len(plain)
    assert type(sampler.rebuild()) is type(plain)


def test_ddan_s_sampler_relabels_the_list_in_place():
    # Labels as a set of strings may give them: the other way round.
    data = [(path, 7 - pid, camera, dsetid) for path, pid, camera, dsetid in ITEMS]
    sampler = DATAMANAGER.build_train_sampler(data, registry.SAMPLER, 8, 2, num_cams=1)
    assert isinstance(sampler, ddan_torchreid.MultiDomainIdentitySampler)
    assert (sampler.batch_size, sampler.num_instances) == (8, 2)
    domains = [dsetid for _, _, _, dsetid in data]
    assert domains == sorted(domains)
    assert [pid for _, pid, _, _ in data] == sorted(pid for _, pid, _, _ in data)


@pytest.mark.parametrize("transforms", ["random_flip", ["random_flip", "random_erase"], [], None])
def test_other_transforms_are_torchreid_s(transforms):
    build = DATAMANAGER.build_transforms
    mine, plain = (
        function(64, 32, transforms=transforms) for function in (build, build.__wrapped__)
    )
    for one, other in zip(mine, plain, strict=True):
        assert [type(step) for step in one.transforms] == [type(step) for step in other.transforms]


@pytest.mark.parametrize("transforms", ["ddan", ["ddan"]])
def test_the_preset_is_known_by_its_name(transforms):
    train, test = DATAMANAGER.build_transforms(64, 32, transforms)
    assert isinstance(train, PaperAugmentation)
    assert (train.height, train.width) == (64, 32)
    assert test.transforms[0].size == (64, 32)
