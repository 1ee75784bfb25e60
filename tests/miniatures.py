"""Miniatures of nine real datasets, in their on-disk layouts and file formats.

The images are drawn, a few pixels large, coloured by identity and shaded by camera. Sources have a
few identities each; the four targets, whose loaders demand fixed numbers, have all of theirs.
Numbers, names and file contents are the same on every machine.
"""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

SIZE = (16, 32)  # width, height

# (identities, images) of each source under combineall, junk left out. CUHK03 is read as detected.
SOURCES = {
    "cuhk02": (10, 40),
    "cuhk03": (14, 89),
    "market1501": (14, 95),
    "dukemtmcreid": (12, 84),
    "cuhksysu": (40, 100),
}
# (query images, gallery images) of each target.
TARGETS = {"viper": (316, 316), "prid": (100, 649), "grid": (125, 900), "ilids": (60, 60)}


def write_all(root: str | Path) -> None:
    """Write all nine datasets below ``root``."""
    for write in (
        write_cuhk02, write_cuhk03, write_market1501, write_dukemtmcreid, write_cuhksysu,
        write_viper, write_prid, write_grid, write_ilids,
    ):  # fmt: skip
        write(root)


def write_market1501(root: str | Path) -> None:
    """8 training and 6 test identities; the test folder also has junk (-1) and background (0)."""
    base = Path(root, "market1501", "Market-1501-v15.09.15")

    def save(folder: str, pid: int, camera: int, frame: int) -> None:
        name = f"{pid:04d}" if pid >= 0 else "-1"
        _save(base / folder / f"{name}_c{camera}s1_{frame:06d}_01.jpg", pid, camera)

    for pid in range(2, 26, 3):
        for frame in range(4 + pid % 5):
            save("bounding_box_train", pid, 1 + frame % 6, 100 * pid + frame)
    for pid in range(3, 21, 3):
        for camera in (1, 2):
            save("query", pid, camera, 100 * pid)
        for frame in range(1, 7):
            save("bounding_box_test", pid, frame, 100 * pid + frame)
    for frame in range(3):
        save("bounding_box_test", 0, 1 + frame, frame)
        save("bounding_box_test", -1, 1 + frame, frame)


def write_dukemtmcreid(root: str | Path) -> None:
    """6 training and 5 test identities, and one that is in the gallery only."""
    base = Path(root, "dukemtmc-reid", "DukeMTMC-reID")

    def save(folder: str, pid: int, camera: int, frame: int) -> None:
        _save(base / folder / f"{pid:04d}_c{camera}_f{frame:07d}.jpg", pid, camera)

    for pid in range(1, 13, 2):
        for frame in range(8):
            save("bounding_box_train", pid, 1 + frame, 46182 + 120 * frame)
    for pid in range(14, 24, 2):
        save("query", pid, 2, 50000)
        for camera in range(3, 9):
            save("bounding_box_test", pid, camera, 60000 + pid)
    save("bounding_box_test", 7139, 1, 70000)


def write_cuhk02(root: str | Path) -> None:
    """Two identities in each of the five camera pairs, numbered anew in each, two images a view."""
    for pair in range(1, 6):
        for pid in (1, 2):
            for camera in (1, 2):
                for image in (1, 2):
                    folder = Path(root, "cuhk02", "Dataset", f"P{pair}", f"cam{camera}")
                    _save(folder / f"{pid:03d}_{image:02d}.png", 10 * pair + pid, camera)


def write_cuhk03(root: str | Path) -> None:
    """The MATLAB 7.3 file of 14 identities in five camera pairs, and the new protocol's two."""
    base = Path(root, "cuhk03")
    raw = base / "cuhk03_release" / "cuhk-03.mat"
    raw.parent.mkdir(parents=True)
    persons = [(pair, pid) for pair, count in enumerate((6, 4, 2, 1, 1)) for pid in range(count)]
    tests = persons[3:6] + persons[8:10]
    with h5py.File(raw, "w", userblock_size=512) as mat:
        refs = mat.create_group("#refs#")
        for kind in ("detected", "labeled"):
            names = _write_cuhk03_images(mat, refs, kind, persons)
            _write_cuhk03_protocol(base, kind, names, tests)
        one_based = np.array(tests, dtype=float) + 1
        splits = [_cell_entry(refs, one_based.T, "double") for _ in range(20)]
        _cell(mat, "testsets", np.array([splits], dtype=h5py.ref_dtype))
    with open(raw, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _write_cuhk03_images(
    mat: h5py.File, refs: h5py.Group, kind: str, persons: list[tuple[int, int]]
) -> list[tuple[str, int, int]]:
    """One 10 x persons cell of images a camera pair; (file name, identity, view) of each image.

    MATLAB stores arrays with their dimensions reversed, hence the transpositions.
    """
    names, pairs = [], []
    for pair in range(5):
        members = [pid for group, pid in persons if group == pair]
        cell = np.empty((10, len(members)), dtype=h5py.ref_dtype)
        for column, pid in enumerate(members):
            identity = persons.index((pair, pid)) + 1
            present = _cuhk03_images(kind, identity)
            for row in range(10):
                view = 1 if row < 5 else 2
                if row in present:
                    image = pixels(100 + identity, view)
                    cell[row, column] = _cell_entry(refs, image.T, "uint8")
                    name = f"{pair + 1}_{pid + 1:03d}_{view}_{row + 1:02d}.png"
                    names.append((name, identity, view))
                else:
                    empty = _cell_entry(refs, np.zeros(2, dtype=np.uint64), "double")
                    mat[empty].attrs["MATLAB_empty"] = np.uint8(1)
                    cell[row, column] = empty
        pairs.append(_cell(refs, f"{kind}{pair}", cell).ref)
    _cell(mat, kind, np.array([pairs], dtype=h5py.ref_dtype))
    return names


def _cuhk03_images(kind: str, identity: int) -> list[int]:
    """Rows with an image (0-4 the first view, 5-9 the second); labelled, there is one more."""
    rows = [0, 1, 2, 5, 6, 7] if identity % 3 else [0, 1, 5, 6, 7]
    if identity == 1:
        rows = [0, 1, 2]  # some persons have one view only
    elif identity > 8:
        rows = [*rows, 8, 9]
    return [*rows, 4] if kind == "labeled" else rows


def _write_cuhk03_protocol(
    base: Path, kind: str, names: list[tuple[str, int, int]], tests: list[tuple[int, int]]
) -> None:
    """Train, query and gallery as one-based numbers into a list of files (Zhong et al. 2017)."""
    files = np.array([[name] for name, _, _ in names], dtype=object)
    test = [(int(name[0]) - 1, int(name[2:5]) - 1) in tests for name, _, _ in names]
    query, seen = [], set()
    for number, (_, identity, view) in enumerate(names):
        if test[number] and (identity, view) not in seen:
            seen.add((identity, view))
            query.append(number + 1)
    gallery = [n + 1 for n in range(len(names)) if test[n] and n + 1 not in query]
    savemat(
        base / f"cuhk03_new_protocol_config_{kind}.mat",
        {
            "train_idx": np.array([[n + 1] for n in range(len(names)) if not test[n]]),
            "query_idx": np.array(query)[:, None],
            "gallery_idx": np.array(gallery)[:, None],
            "labels": np.array([[identity] for _, identity, _ in names]),
            "camId": np.array([[view] for _, _, view in names]),
            "filelist": files,
        },
    )


def _cell(group: h5py.Group, name: str, references: np.ndarray) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=references, dtype=h5py.ref_dtype)
    dataset.attrs["MATLAB_class"] = np.bytes_("cell")
    return dataset


def _cell_entry(refs: h5py.Group, data: np.ndarray, kind: str) -> h5py.Reference:
    dataset = refs.create_dataset(f"entry{len(refs)}", data=data)
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    return dataset.ref


def write_cuhksysu(root: str | Path) -> None:
    """40 identities of one to four images; every fourth has a single one."""
    for person in range(40):
        for image in range(1 + person % 4):
            name = f"p{11 * person + 1}_s{16929 - 7 * person + image}_{image + 1}.jpg"
            _save(Path(root, "cuhksysu", "cropped_images", name), person, image)


def write_viper(root: str | Path) -> None:
    """All 632 identities, one image in each view."""
    for person in range(632):
        for folder, angle in (("cam_a", 0), ("cam_b", 90)):
            path = Path(root, "viper", "VIPeR", folder, f"{person:03d}_{angle}.bmp")
            _save(path, person, angle // 90)


def write_prid(root: str | Path) -> None:
    """385 persons in view A and 749 in view B, of whom 1 to 200 are the same."""
    base = Path(root, "prid2011", "prid_2011", "single_shot")
    for folder, count, others in (("cam_a", 385, 1000), ("cam_b", 749, 2000)):
        for person in range(1, count + 1):
            identity = person if person <= 200 else person + others
            _save(base / folder / f"person_{person:04d}.png", identity, others // 1000)


def write_grid(root: str | Path) -> None:
    """250 probes, 250 matches and 775 others (number 0); ten partitions of the identities."""
    base = Path(root, "grid", "underground_reid")
    for person in range(1, 251):
        _save(base / "probe" / f"{person:04d}_1_25004_107_32_106_221.jpeg", person, 1)
        _save(base / "gallery" / f"{person:04d}_6_25023_116_14_104_223.jpeg", person, 6)
    for other in range(775):
        name = f"0000_{1 + other % 8}_{25000 + other}_57_24_97_247.jpeg"
        _save(base / "gallery" / name, 1000 + other, other % 8)
    rng = np.random.default_rng(0)
    partitions = np.empty((1, 10), dtype=object)
    for split in range(10):
        order = 1 + rng.permutation(250)
        partitions[0, split] = {
            "numPersons": 250,
            "numTrain": 125,
            "trainIdx": np.sort(order[:125])[None],
            "testIdx": np.sort(order[125:])[None],
        }
    savemat(base / "features_and_partitions.mat", {"trainIdxAll": partitions})


def write_ilids(root: str | Path) -> None:
    """476 images of 119 persons, two to six each."""
    base = Path(root, "ilids", "i-LIDS_Pedestrian", "Persons")
    for person, count in enumerate(_counts_of_ilids(), start=1):
        for image in range(1, count + 1):
            _save(base / f"{person:04d}{image:03d}.jpg", person, image)


def _counts_of_ilids() -> Iterator[int]:
    """119 counts with sum 476: pairs of 4 - d and 4 + d, and one 4."""
    for pair in range(59):
        yield 4 - pair % 3
        yield 4 + pair % 3
    yield 4


def _save(path: Path, identity: int, camera: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels(identity, camera)
    # The sky is the folder's, so that no training image is a test image of another dataset.
    image[:4] = list(zlib.crc32(path.parent.name.encode()).to_bytes(4, "big")[:3])
    Image.fromarray(image).save(path)


def pixels(identity: int, camera: int) -> np.ndarray:
    """(32, 16, 3) uint8: upper and lower clothes in the identity's colours, lit by the camera."""
    light = 1 - 0.05 * (camera % 8)
    upper = colorsys.hsv_to_rgb(identity * 0.618 % 1, 0.8, 0.95 * light)
    lower = colorsys.hsv_to_rgb(identity * 0.414 % 1, 0.6, 0.7 * light)
    width, height = SIZE
    image = np.full((height, width, 3), 200 * light)
    image[4:18, 3:13] = 255 * np.array(upper)
    image[18:30, 4:12] = 255 * np.array(lower)
    return image.astype(np.uint8)
