"""The real datasets as they are published: layout under the data root, counts, where to get them.

Layouts are those that torchreid reads; counts are those of torchreid's documentation, and of the
training and test parts where it gives them.
"""

from __future__ import annotations

from typing import NamedTuple

from .listing import FOLDERS

CUHK_PAGE = "http://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html"
#: Number of distractors that are nobody's match, in Market-1501 and GRID.
BACKGROUND = "0000"


class Part(NamedTuple):
    """Images of a dataset that are counted together.

    Attributes:
        name: What the part is called in the report.
        split: train, query or gallery; empty where the splits are drawn.
        folder: Below the dataset's folder.
        pattern: Names that torchreid reads; group 1 is the person.
        images: Published number, without the images of person -1.
        persons: Published number, with the background as one.
        scope: Where the numbers of the persons hold, if not in the whole dataset.
        shared: Persons up to this number are the same in all scopes.
    """

    name: str
    split: str
    folder: str
    pattern: str
    images: int
    persons: int
    scope: str = ""
    shared: int = 0

    @property
    def suffix(self) -> str:
        """The only extension, in this case, that torchreid looks for."""
        return self.pattern[self.pattern.rindex("\\") + 1 :]


class Published(NamedTuple):
    """A dataset: its folder in the data root, where to get it, and what must be in the folder."""

    folder: str
    source: str
    parts: tuple[Part, ...] = ()
    required: tuple[str, ...] = ()


def _market(folder: str, pattern: str, counts: dict[str, tuple[int, int]]) -> tuple[Part, ...]:
    return tuple(
        Part(split, split, f"{folder}/{part}", pattern, *counts[split])
        for split, part in FOLDERS.items()
    )


def _pair(number: int, images: int, persons: int) -> Part:
    name, pattern = f"P{number}", r"(\d+)_.*\.png"
    return Part(name, "train", f"Dataset/{name}/cam*", pattern, images, persons, name)


def _prid(camera: str, persons: int) -> Part:
    folder, pattern = f"prid_2011/single_shot/{camera}", r"person_(\d{4})\.png"
    return Part(camera, "", folder, pattern, persons, persons, camera, shared=200)


# Images and persons of each list file. Those of list_val are trained on with data.combineall only.
MSMT17_LISTS = {
    "train": (30_248, 1_041),
    "val": (2_373, 1_041),
    "query": (11_659, 3_060),
    "gallery": (82_161, 3_060),
}
# The new protocol's split of the detected boxes, which torchreid reads by default.
CUHK03_DETECTED = {"train": (7_365, 767), "query": (1_400, 700), "gallery": (5_332, 700)}
DATASETS = {
    "market1501": Published(
        "market1501",
        "http://www.liangzheng.org/Project/project_reid.html",
        _market(
            "Market-1501-v15.09.15",
            r"(-1|\d{4})_c[1-6].*\.jpg",
            {"train": (12_936, 751), "query": (3_368, 750), "gallery": (15_913, 751)},
        ),
    ),
    "dukemtmcreid": Published(
        "dukemtmc-reid",
        "withdrawn by its authors; ddan_no_duke.yaml trains without it",
        _market(
            "DukeMTMC-reID",
            r"(\d{4})_c[1-8].*\.jpg",
            {"train": (16_522, 702), "query": (2_228, 702), "gallery": (17_661, 1_110)},
        ),
    ),
    "cuhk01": Published(
        "cuhk01",
        CUHK_PAGE,
        (Part("images", "", "campus", r"(\d{4})\d{3}.*\.png", 3_884, 971),),
    ),
    "cuhk02": Published(
        "cuhk02",
        CUHK_PAGE,
        (
            _pair(1, 3_884, 971),
            _pair(2, 1_224, 306),
            _pair(3, 428, 107),
            _pair(4, 772, 193),
            Part("P5/cam1", "query", "Dataset/P5/cam1", r"(\d+)_.*\.png", 478, 239, "P5"),
            Part("P5/cam2", "gallery", "Dataset/P5/cam2", r"(\d+)_.*\.png", 478, 239, "P5"),
        ),
    ),
    "cuhk03": Published(
        "cuhk03",
        f"{CUHK_PAGE}; the two .mat files of the new protocol from "
        "https://github.com/zhunzhong07/person-re-ranking (evaluation/data/CUHK03)",
        required=(
            "cuhk03_release/cuhk-03.mat",
            "cuhk03_new_protocol_config_detected.mat",
            "cuhk03_new_protocol_config_labeled.mat",
        ),
    ),
    "cuhksysu": Published(
        "cuhksysu",
        "ddan-torchreid download cuhksysu",
        (Part("train", "train", "cropped_images", r"([^_]+).*\.jpg", 34_574, 11_934),),
    ),
    "msmt17": Published(
        "msmt17",
        "http://www.pkuvmc.com/publications/msmt17.html",
        required=tuple(f"MSMT17_V*/list_{part}.txt" for part in MSMT17_LISTS),
    ),
    "viper": Published(
        "viper",
        "https://vision.soe.ucsc.edu/node/178",
        (
            Part("cam_a", "", "VIPeR/cam_a", r"(\d+)_.*\.bmp", 632, 632),
            Part("cam_b", "", "VIPeR/cam_b", r"(\d+)_.*\.bmp", 632, 632),
        ),
    ),
    "prid": Published(
        "prid2011",
        "https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/PRID11/",
        (_prid("cam_a", 385), _prid("cam_b", 749)),
    ),
    "grid": Published(
        "grid",
        "http://personal.ie.cuhk.edu.hk/~ccloy/downloads_qmul_underground_reid.html",
        (
            Part("probe", "", "underground_reid/probe", r"(\d{4})_\d_.*\.jpeg", 250, 250),
            Part("gallery", "", "underground_reid/gallery", r"(\d{4})_\d_.*\.jpeg", 1_025, 251),
        ),
        required=("underground_reid/features_and_partitions.mat",),
    ),
    "ilids": Published(
        "ilids",
        "ddan-torchreid download ilids",
        (Part("images", "", "i-LIDS_Pedestrian/Persons", r"(\d{4})\d{3}\.jpg", 476, 119),),
    ),
}
