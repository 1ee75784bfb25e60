"""``ddan-torchreid search``: the gallery images that look most like a query image."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from ..data.loose_images import find_images, read_image
from ..inference.features import FeatureTable
from ..inference.features import extract as extract_features
from ..inference.picture_sheet import HITS, QUERIES, picture_sheet
from ..inference.retrieval import print_ranked_lists, rank, write_ranked_lists
from ..inference.trained_model import TrainedModel
from . import extract


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("queries", nargs="+", metavar="QUERY", help="image files, folders or globs")
    parser.add_argument(
        "gallery",
        metavar="GALLERY",
        help="folder of images (with all below), or a file of features that extract wrote",
    )
    extract.add_model_arguments(parser)
    parser.add_argument("--top", type=int, default=10, help="gallery images per query")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        help="folder for ranking.csv, ranking.json and the picture sheet.png",
    )
    parser.add_argument(
        "--pictures",
        metavar="FOLDER",
        help="where the images of a file of features are, for the picture sheet and to know the "
        "query among them; none outside it is opened",
    )


def run(arguments: argparse.Namespace) -> int:
    """Ranks, prints and writes; returns 1 when an image could not be read.

    Raises:
        ValueError: no rank is asked for, or the gallery cannot be compared with the query.
    """
    if arguments.top < 1:
        raise ValueError(f"--top {arguments.top} leaves nothing to show; write 1 or more")
    query_paths = find_images(arguments.queries)
    stored = arguments.gallery.endswith(".npz")
    table = FeatureTable.load(arguments.gallery) if stored else None
    gallery_paths = [] if stored else find_images([arguments.gallery])
    folder = Path(arguments.output) if arguments.output else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    if table:
        # Features can only be compared with those of images of the same size.
        arguments.height = table.height if arguments.height is None else arguments.height
        arguments.width = table.width if arguments.width is None else arguments.width
    trained = extract.load(arguments)
    if table:
        _check_same_origin(table, trained, arguments.gallery)
    loading = {"batch_size": arguments.batch_size, "workers": arguments.workers}
    query, skipped = extract_features(trained, query_paths, **loading)
    if table is None:
        table, unreadable = extract_features(trained, gallery_paths, **loading)
        skipped += unreadable
    lists = rank(query, table, arguments.top, arguments.pictures or "")
    print_ranked_lists(lists)
    if folder:
        files = write_ranked_lists(lists, folder)
        given = {*query_paths, *gallery_paths}
        sheet = folder / "sheet.png"
        picture_sheet(lists, sheet, lambda path: _picture(path, given, arguments.pictures))
        print(f"Wrote {', '.join(map(str, [*files, sheet]))}")
        if stored and not arguments.pictures:
            print("The sheet shows no gallery images: --pictures FOLDER says where they are")
        if len(lists) > QUERIES or arguments.top > HITS:
            print(f"The sheet shows the first {QUERIES} queries and {HITS} ranks at the most")
    return int(skipped > 0)


def _check_same_origin(table: FeatureTable, trained: TrainedModel, gallery: str) -> None:
    if table.weights_sha256 != trained.sha256:
        raise ValueError(
            f"{gallery} was made with other weights (SHA-256 {table.weights_sha256[:12]}..., not "
            f"{trained.sha256[:12]}...); extract it again with these, or give the others"
        )
    if (table.height, table.width) != (trained.height, trained.width):
        raise ValueError(
            f"{gallery} was made from images of {table.height} x {table.width} pixels, not "
            f"{trained.height} x {trained.width}; leave out --height and --width"
        )


def _picture(path: str, given: set[str], folder: str | None) -> Image.Image | None:
    """A picture for the sheet, from the files that the command line named and from no other."""
    places = [Path(path)] if path in given else []
    if folder and not places:
        # What a file of features lists may lie anywhere, so it is opened inside the folder only.
        inside = Path(folder).resolve()
        places = [Path(folder, path), Path(path)]
        places = [place for place in places if place.resolve().is_relative_to(inside)]
    for place in places:
        try:
            return read_image(str(place))
        except ValueError:
            continue
    return None
