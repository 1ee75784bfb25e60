"""Ranked lists: their order, their memory, and that a query is not among its own."""

import tracemalloc

import numpy as np
import pytest

from ddan_torchreid.inference import retrieval
from ddan_torchreid.inference.retrieval import rank
from tests.inference.feature_tables import table


def exact_tables(queries, gallery, dims=8):
    """Features whose products are exact in any order of summation, with many equal ones."""
    random = np.random.default_rng(1)
    tables = []
    for count, letter in ((queries, "q"), (gallery, "g")):
        features = random.integers(-2, 3, (count, dims)) / 4
        tables.append(table(features, [f"{letter}{number}" for number in range(count)]))
    return tables


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
