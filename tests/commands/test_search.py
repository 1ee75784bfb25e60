"""``ddan-torchreid search``: ranked lists, their files and the picture sheet."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from ddan_torchreid.cli import main
from ddan_torchreid.inference.features import FeatureTable
from tests.commands.refused import refused
from tests.inference.exported import checkpoint
from tests.inference.feature_tables import table

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 190)}


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
        assert says in refused(["search", "--weights", weights, *words], capsys)
