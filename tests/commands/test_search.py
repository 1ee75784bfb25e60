"""``ddan-torchreid search``: ranked lists, their files and the picture sheet."""

import csv
import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.cli import main
from ddan_torchreid.inference import retrieval
from ddan_torchreid.inference.features import FeatureTable
from ddan_torchreid.inference.picture_sheet import PICTURE, picture_sheet
from ddan_torchreid.inference.retrieval import Hit, RankedList, rank
from tests.inference.exported import checkpoint

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 190)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("weights") / "model.pth.tar-1")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A query and three gallery images, of which ``b.png`` is the query again."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    (tmp_path / "gallery").mkdir()
    for name, path in zip(COLOURS, ("query.png", "gallery/a.png", "gallery/c $x^2$.png"), strict=1):
        pixels = np.clip(random.normal(COLOURS[name], 25, (64, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / path)
    Image.open("query.png").save("gallery/b.png")
    return tmp_path


def table(features, paths, normalized=True, sha256="0" * 64, size=(64, 32)):
    return FeatureTable(np.asarray(features, np.float32), paths, normalized, *size, "model", sha256)


def test_ranks_against_sorting_by_hand():
    random = np.random.default_rng(0)
    query, gallery = random.normal(size=(4, 6)), random.normal(size=(9, 6))
    gallery[7] = gallery[2]
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    names = [f"{number}.png" for number in range(9)]
    found = rank(table(query, ["p", "q", "r", "s"]), table(gallery, names, normalized=False), 5)
    assert [each.query for each in found] == ["p", "q", "r", "s"]
    for each, feature in zip(found, query, strict=True):
        cosine = {n: g @ feature / np.linalg.norm(g) for n, g in zip(names, gallery, strict=True)}
        best = sorted(names, key=lambda name: -cosine[name])[:5]
        assert [hit.path for hit in each.hits] == best
        assert [hit.rank for hit in each.hits] == [1, 2, 3, 4, 5]
        expected = [cosine[name] for name in best]
        np.testing.assert_allclose([hit.similarity for hit in each.hits], expected, atol=1e-6)


def exact_tables(queries, gallery, dims=8):
    """Features whose products are exact in any order of summation, with many equal ones."""
    random = np.random.default_rng(1)
    tables = []
    for count, letter in ((queries, "q"), (gallery, "g")):
        features = random.integers(-2, 3, (count, dims)) / 4
        tables.append(table(features, [f"{letter}{number}" for number in range(count)]))
    return tables


@pytest.mark.parametrize("top", [1, 3, 10, 61, 500])
@pytest.mark.parametrize("blocks", [(1, 1), (5, 7), (16, 61), (512, 4096)])
def test_blocks_rank_as_a_stable_sort_of_everything(monkeypatch, blocks, top):
    monkeypatch.setattr(retrieval, "QUERY_BLOCK", blocks[0])
    monkeypatch.setattr(retrieval, "GALLERY_BLOCK", blocks[1])
    query, gallery = exact_tables(16, 61)
    similarities = query.features @ gallery.features.T
    assert len(np.unique(similarities)) < 61  # so that there are ties in every row
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :top]
    for row, each in enumerate(rank(query, gallery, top)):
        assert [hit.path for hit in each.hits] == [f"g{column}" for column in order[row]]
        assert [hit.similarity for hit in each.hits] == similarities[row, order[row]].tolist()


def test_memory_is_that_of_a_block(monkeypatch):
    monkeypatch.setattr(retrieval, "QUERY_BLOCK", 64)
    monkeypatch.setattr(retrieval, "GALLERY_BLOCK", 256)

    def peak(queries, images):
        tables = exact_tables(queries, images)
        tracemalloc.start()
        try:
            rank(*tables, 2)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # 4,000 x 4,000 similarities alone are 64 MB; a block's is 64 kB.
    assert peak(4000, 4000) < 8e6


def test_a_query_is_not_in_its_own_ranking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crops").mkdir()
    for name in ("query.png", "other.png", "copy.png"):
        (tmp_path / "crops" / name).write_bytes(b"the same bytes")
    (tmp_path / "link.png").symlink_to("crops/query.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "crops" / "query.png")
    (tmp_path / "folder").symlink_to("crops")
    own = [
        *("crops/query.png", "./crops/../crops/query.png", "folder/query.png"),
        *(str(tmp_path / "crops/query.png"), "link.png", "hard.png"),
    ]
    others = ["crops/other.png", "crops/copy.png", "gone/query.png", "query.png"]
    query = table([[1, 0], [0, 1]], ["crops/query.png", "crops/other.png"])
    gallery = table(np.ones((10, 2)) * np.sqrt(0.5), [*own, *others])
    gallery.features[: len(own)] = [1, 0]
    gallery.features[len(own)] = [0, 1]
    first, second = rank(query, gallery, 10)
    assert [hit.path for hit in first.hits] == [*others[1:], others[0]]
    assert [hit.rank for hit in first.hits] == [1, 2, 3, 4]
    assert [hit.path for hit in second.hits] == [*others[1:], *own]
    # Where the gallery's paths start in a folder of images, they are looked for there.
    first, _ = rank(query, gallery, 10, folder="crops")
    assert [hit.path for hit in first.hits] == [*others[1:], others[0]]
    gallery.features[-1] = [1, 0]
    assert rank(query, gallery, 1)[0].hits[0].path == "query.png"
    assert rank(query, gallery, 1, folder="crops")[0].hits[0].path == "crops/copy.png"
    # A path that meant another image where the features were made is not the query's own.
    gallery.features[0] = [0.8, 0.6]
    assert rank(query, gallery, 2)[0].hits[1].path == "crops/query.png"


def test_readme_example_finds_others_than_the_query(weights, images, capsys):
    (images / "query.png").rename(images / "gallery" / "query.png")
    words = ["gallery/query.png", "gallery", "--weights", str(weights), "-o", "found"]
    assert main(["search", *words]) == 0
    (document,) = json.loads((images / "found" / "ranking.json").read_text())
    assert document["hits"][0]["path"] == "gallery/b.png"  # a copy is another image
    assert "gallery/query.png" not in {hit["path"] for hit in document["hits"]}
    capsys.readouterr()

    assert main(["extract", "gallery", "--weights", str(weights), "-o", "features.npz"]) == 0
    assert main(["search", words[0], "features.npz", *words[2:4]]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-3].endswith("gallery/b.png")
    assert sum("gallery/query.png" in line for line in printed[-4:]) == 1

    (images / "one").mkdir()
    (images / "gallery" / "query.png").rename(images / "one" / "query.png")
    assert main(["search", "one/query.png", "one", *words[2:]]) == 0
    assert "the gallery has no other image" in capsys.readouterr().out


def test_console_and_files(weights, images, capsys):
    words = ["query.png", "gallery", "--weights", str(weights), "--top", "2", "-o", "results"]
    assert main(["search", *words]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["query.png", "    1   1.0000  gallery/b.png"]
    assert printed[3] == "Wrote results/ranking.csv, results/ranking.json, results/sheet.png"

    (document,) = json.loads((images / "results" / "ranking.json").read_text())
    assert document["query"] == "query.png"
    assert [hit["rank"] for hit in document["hits"]] == [1, 2]
    with open("results/ranking.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["query"], int(row["rank"]), row["path"]) for row in rows] == [
        ("query.png", hit["rank"], hit["path"]) for hit in document["hits"]
    ]
    similarities = [float(row["similarity"]) for row in rows]
    assert similarities == pytest.approx([hit["similarity"] for hit in document["hits"]], abs=1e-6)
    assert sorted(file.name for file in (images / "results").iterdir()) == [
        *("ranking.csv", "ranking.json", "sheet.png")
    ]


def test_several_queries_and_fewer_images_than_ranks(weights, images, capsys):
    words = ["query.png", "gallery/a*", "gallery", "--weights", str(weights), "--top", "50"]
    assert main(["search", *words]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == (1 + 3) + (1 + 2)
    assert printed[4] == "gallery/a.png"
    for lines in (printed[1:4], printed[5:]):
        assert any(line.endswith("gallery/b.png") for line in lines)
        assert any(line.endswith("gallery/c $x^2$.png") for line in lines)


def test_sheet_shows_query_then_gallery(tmp_path):
    solid = {name: Image.new("RGB", (32, 64), colour) for name, colour in COLOURS.items()}
    hits = [Hit(1, 0.9, "green"), Hit(2, 0.5, "nowhere"), Hit(3, 0.1, "blue")]
    lists = [RankedList("red", hits), RankedList("blue", hits[:1])]
    path = tmp_path / "sheet.png"
    picture_sheet(lists, path, solid.get)
    pixels = np.asarray(Image.open(path)).astype(int)

    def columns(colour, rows):
        exact = (pixels[rows] == colour).all(2).any(0)
        starts = np.flatnonzero(np.diff(exact.astype(int), prepend=0) == 1)
        return starts.tolist(), int(exact.sum())

    middle = len(pixels) // 2
    top, bottom = slice(0, middle), slice(middle, None)
    (red,), width = columns(COLOURS["red"], top)
    assert width == PICTURE[0]
    (green,), _ = columns(COLOURS["green"], top)
    (blue,), _ = columns(COLOURS["blue"], top)
    assert red + PICTURE[0] < green < green + 2 * PICTURE[0] < blue
    assert columns(COLOURS["blue"], bottom)[0] == [red]
    assert columns(COLOURS["green"], bottom)[0] == [green]
    assert columns(COLOURS["red"], bottom)[0] == []


def test_names_of_any_characters_on_a_sheet(tmp_path):
    names = ["$\\frac{1}{$.png", "long" * 60, "line\nbreak", "\udcff", "人物.png", "%s {0} <b>"]
    hits = [Hit(place, 0.5, name) for place, name in enumerate(names, start=1)]
    picture_sheet([RankedList("", hits)], tmp_path / "sheet.png", lambda _: None)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width < 900


def test_gallery_of_extracted_features(weights, images, monkeypatch, capsys):
    extracting = ["--weights", str(weights), "--height", "48", "-o", "gallery.npz", "--raw"]
    assert main(["extract", "gallery", *extracting]) == 0
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path, *a, **k: opened.append(path) or real(path))
    words = ["search", "query.png", "gallery.npz", "--weights", str(weights), "-o", "results"]
    capsys.readouterr()
    assert main(words) == 0
    # Height 48 is the gallery's, so the same image has the same feature.
    printed = capsys.readouterr().out
    assert "1   1.0000  gallery/b.png" in printed
    assert "--pictures FOLDER" in printed
    assert set(opened) == {"query.png"}

    assert main([*words, "--pictures", "gallery"]) == 0
    shown = {"query.png", "gallery/a.png", "gallery/b.png", "gallery/c $x^2$.png"}
    assert set(opened) == shown

    # The file may list anything; only what is in the folder is opened.
    opened.clear()
    stored = FeatureTable.load(images / "gallery.npz")
    secret = [str(images / "query.png"), "gallery/../query.png", "gallery/a.png"]
    stored.paths[:] = secret
    stored.save(images / "other.npz")
    Image.open("query.png").save("gallery/d.png")
    words = ["search", "gallery/d.png", "other.npz", *words[3:], "--pictures", "gallery"]
    assert main(words) == 0
    assert set(opened) - {"query.png"} == {"gallery/d.png", "gallery/a.png"}


def test_unreadable_images_are_skipped_with_status_1(weights, images, capsys):
    (images / "gallery" / "0.png").write_text("no image")
    words = ["gallery", "--weights", str(weights)]
    assert main(["search", "query.png", *words]) == 1
    output = capsys.readouterr()
    assert "skipped: gallery/0.png is no readable image" in output.err
    assert "1   1.0000  gallery/b.png" in output.out
    assert main(["search", "gallery/0.png", *words]) == 1
    output = capsys.readouterr()
    assert "skipped: gallery/0.png" in output.err
    assert "failed: no image could be read" in output.err
    assert not output.out


def test_what_cannot_be_compared_is_one_line(weights, images, capsys):
    (images / "empty").mkdir()
    (images / "text.npz").write_text("features")
    np.savez("arrays.npz", x=np.zeros(3))
    np.savez("pickled.npz", features=np.array([{}], dtype=object))
    np.save("array.npy", np.zeros(3))
    (images / "array.npy").rename("array.npz")
    other = checkpoint(images / "other", model="ddan_mobilenetv2_in_bn_x0_35", epoch=7)
    table(np.eye(2), ["a", "b"]).save(images / "foreign.npz")
    table(np.zeros((0, 2)), []).save(images / "none.npz")
    table([[np.nan, 1]], ["a"]).save(images / "nan.npz")
    table(np.eye(2), ["a", "b", "c"]).save(images / "three.npz")
    assert main(["extract", "gallery", "--weights", str(weights), "-o", "good.npz"]) == 0
    capsys.readouterr()
    for words, says in (
        (["query.png", "empty"], "there is no image in empty"),
        (["query.png", "nowhere"], "there is no file or folder 'nowhere'"),
        (["nowhere.png", "gallery"], "there is no file or folder 'nowhere.png'"),
        (["query.png", "nowhere.npz"], "there is no file 'nowhere.npz'"),
        (["query.png", "text.npz"], "text.npz is not a file of features"),
        (["query.png", "arrays.npz"], "arrays.npz is not a file of features"),
        (["query.png", "pickled.npz"], "pickled.npz is not a file of features"),
        (["query.png", "array.npz"], "array.npz is not a file of features"),
        (["query.png", "none.npz"], "no images"),
        (["query.png", "nan.npz"], "features that are not finite"),
        (["query.png", "three.npz"], "3 paths, features (2, 2)"),
        (["query.png", "foreign.npz"], "foreign.npz was made with other weights"),
        (["query.png", "good.npz", "--weights", str(other)], "was made with other weights"),
        (["query.png", "good.npz", "--height", "48"], "64 x 32 pixels, not 48 x 32"),
        (["query.png", "gallery", "--top", "0"], "--top 0"),
        (["query.png", "gallery", "-o", "query.png"], "query.png"),
        (["query.png"], "GALLERY"),
    ):
        assert main(["search", "--weights", str(weights), *words]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
