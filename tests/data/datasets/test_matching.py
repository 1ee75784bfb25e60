"""Counts of queries with and without a match, against a slow reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddan_torchreid.data.datasets.matching import MatchCounts, count_matches, explain_no_match

IMAGES = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 2)), max_size=8)


def slow_counts(query, gallery):
    matched = absent = same_camera = 0
    for pid, camera in query:
        cameras = {other for person, other in gallery if person == pid}
        matched += bool(cameras - {camera})
        absent += not cameras
        same_camera += cameras == {camera}
    return MatchCounts(len(query), matched, absent, same_camera)


def columns(query, gallery):
    return [[image[i] for image in images] for images in (query, gallery) for i in (0, 1)]


@given(query=IMAGES, gallery=IMAGES)
def test_counts_agree_with_a_loop_over_the_queries(query, gallery):
    assert count_matches(*columns(query, gallery)) == slow_counts(query, gallery)


def test_large_numbers_of_persons_and_cameras():
    query, gallery = [(10**12, 0), (7, 10**9)], [(10**12, 10**9), (7, 10**9)]
    arrays = [np.array(column) for column in columns(query, gallery)]
    assert count_matches(*arrays) == MatchCounts(2, 1, 0, 1)


@pytest.mark.parametrize(
    ("query", "gallery", "says"),
    [
        ([], [(1, 0)], "there are no queries"),
        ([(1, 0)], [], "no query has a match: 1 of 1 show persons who are not in the gallery"),
        ([(1, 0)], [(1, 1)], "all 1 queries have a match"),
        ([(1, 0), (2, 0)], [(1, 1)], "1 of 2 queries have a match: 1 of 2 show persons who are"),
        ([(1, 0)], [(1, 0)], "1 of 1 show persons whose gallery images are all from the query's"),
    ],
)
def test_explanation_has_the_counts_in_one_line(query, gallery, says):
    text = explain_no_match(*columns(query, gallery))
    assert says in text
    assert "\n" not in text
