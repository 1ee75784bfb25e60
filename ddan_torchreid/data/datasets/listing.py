"""Lists the images of a folder or a CSV file, as :mod:`ddan_torchreid.data.datasets.own` wants."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ...system.files import expanded
from ..loose_images import SUFFIXES, is_image_name, true_path

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
COLUMNS = ("path", "pid", "camid")
LEFT_OUT = "-1"
_FILE_NAME = re.compile(r"(?P<pid>.+?)_c(?P<camera>\d+)")
_NUMBER = re.compile(r"[+-]?\d+(?P<fraction>\.\d*)?(?P<exponent>[eE][+-]?\d{1,2})?")


class Shot(NamedTuple):
    """An image of a dataset; ``split`` is train, query or gallery, or empty where none is fixed.

    Whole numbers in ``pid`` and ``camera`` are written as :func:`spelled` writes them.
    """

    path: str
    pid: str
    camera: str
    split: str


def read(path: str) -> tuple[Path, list[Shot]]:
    """The absolute path of a folder or CSV file (``#DOMAIN`` takes one domain), and its images.

    Raises:
        ValueError: what is there is not valid; the message names the file or the row.
        FileNotFoundError: the folder, the file or an image in it does not exist.
    """
    place, domain = Path(expanded(path)).absolute(), ""
    if not place.exists() and "#" in path:
        path, _, domain = path.rpartition("#")
        place = Path(expanded(path)).absolute()
    if not place.exists():
        raise FileNotFoundError(f"there is no {place}; give a CSV file or a folder of images")
    if place.is_dir():
        if domain:
            raise ValueError(f"{place} is a folder, which has no domains; write it without #")
        return place, _read_folder(place)
    try:
        return place, _read_csv(place, domain)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{place} is not a CSV file in UTF-8 ({error})") from error


def _read_folder(folder: Path) -> list[Shot]:
    shots = []
    for split, part in FOLDERS.items():
        directory = folder / part
        for name in sorted(os.listdir(directory)) if directory.is_dir() else ():
            if not is_image_name(name):
                continue
            match = _FILE_NAME.match(name)
            if not match:
                raise ValueError(
                    f"{directory / name} is not named PID_cCAMERA...; rename it to, for example, "
                    f"0001_c1_{name}"
                )
            pid, camera = spelled(match["pid"]), spelled(match["camera"])
            shots.append(Shot(str(directory / name), pid, camera, split))
    shots = [shot for shot in shots if shot.pid != LEFT_OUT]
    if not shots:
        raise ValueError(
            f"{folder} has no images ({' '.join(SUFFIXES)}) in {', '.join(FOLDERS.values())}; put "
            "them there, or give a CSV file"
        )
    return shots


def _read_csv(file: Path, domain: str) -> list[Shot]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        columns = reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        missing = [column for column in COLUMNS if column not in columns]
        if missing:
            raise ValueError(
                f"{file} has no column {', '.join(missing)}; its first line must be "
                f"path,pid,camid[,domain][,split], but is {','.join(columns) or 'empty'}"
            )
        needed = [*COLUMNS, *(name for name in ("domain", "split") if name in columns)]
        rows = [(reader.line_num, _cells(file, reader.line_num, row, needed)) for row in reader]
    for column in (name for name in needed if name in ("pid", "camid", "domain")):
        _spell_alike(file, column, rows)
    domains = sorted({row["domain"] for _, row in rows if "domain" in row})
    domain = domain if domain in domains else spelled(domain, exponents=True)
    if domain not in domains and (domain or len(domains) > 1):
        found = f"has the domains {', '.join(domains)}" if domains else "has no column domain"
        example = f"#{domains[0]}" if domains else ""
        raise ValueError(f"{file} {found}; write, for example, NAME={file.name}{example}")
    lines: dict[str, int] = {}
    shots = []
    for line, row in rows:
        if row["pid"] == LEFT_OUT or (domain and row["domain"] != domain):
            continue
        path = _image(file, line, row["path"])
        if (earlier := lines.setdefault(path, line)) != line:
            raise ValueError(f"{file}, line {line}: {path} is on line {earlier} too; keep one")
        shots.append(Shot(path, row["pid"], row["camid"], row.get("split", "")))
    if not shots:
        raise ValueError(f"{file} lists no images; add a line for each: path,pid,camid")
    return shots


def _cells(file: Path, line: int, row: dict[Any, Any], needed: Sequence[str]) -> dict[str, str]:
    if None in row:
        raise ValueError(f"{file}, line {line} has more cells than the header; quote commas in it")
    cells = {name: (row[name] or "").strip() for name in needed}
    for name, cell in cells.items():
        if not cell:
            raise ValueError(f"{file}, line {line}: {name} is empty")
    split = cells.get("split", "train")
    if split not in FOLDERS:
        raise ValueError(
            f"{file}, line {line}: split {split!r} is unknown; write {', '.join(FOLDERS)}"
        )
    return cells


def _image(file: Path, line: int, cell: str) -> str:
    """The path of a row's image; a table from Windows may have backslashes in it."""
    for text in (cell, cell.replace("\\", "/")):
        path = os.path.join(file.parent, text)
        plain = os.path.normpath(path)
        if os.path.isfile(path):
            # Behind a link, .. is not the folder that it seems to be.
            same = os.path.exists(plain) and os.path.samefile(plain, path)
            return plain if same else true_path(path)
        if os.path.isfile(plain):
            return plain
    hint = f"; write paths relative to {file.parent}, with /" if "\\" in cell else ""
    raise FileNotFoundError(f"{file}, line {line}: there is no image {cell}{hint}")


def spelled(text: str, exponents: bool = False) -> str:
    """One spelling of each whole number; other texts, such as names of persons, stay as they are.

    ``7``, ``7.0``, ``7.00``, ``+7`` and ``0007`` are ``7``: a spreadsheet drops zeros in front, and
    torchreid does so with the names of Market-1501's files. With ``exponents``, so is ``7e0``.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or (match["exponent"] and not exponents):
        return text
    number = Decimal(text)
    return str(int(number)) if number == int(number) else text


def _spell_alike(file: Path, column: str, rows: Sequence[tuple[int, dict[str, str]]]) -> None:
    """Gives equal whole numbers of a column one spelling, in place.

    Raises:
        ValueError: a number that a spreadsheet may have spoilt, so that persons would be mixed up.
    """
    # Beside texts, 1e5 is a text as 1a5 is.
    exponents = all(_NUMBER.fullmatch(row[column]) for _, row in rows)
    fractions: dict[Decimal, str] = {}
    for line, row in rows:
        text, problem = row[column], ""
        row[column] = spelled(text, exponents)
        match = _NUMBER.fullmatch(text)
        fraction = (match["fraction"] or "").strip(".0") if match else ""
        if re.fullmatch(r"[+-]?\d+,\d+", text) or (
            match and match["exponent"] and exponents and fraction
        ):
            problem = "is no whole number as it was before a spreadsheet wrote it"
        elif (
            match
            and row[column] == text
            and match["fraction"]
            and (earlier := fractions.setdefault(Decimal(text), text)) != text
        ):
            problem = f"is the same number as {earlier}, but need not be the same name"
        if problem:
            raise ValueError(
                f"{file}, line {line}: {column} {text} {problem}; write whole numbers, or texts "
                "such as a-1"
            )
