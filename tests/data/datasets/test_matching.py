"""Which queries have a match, in words."""

import pytest

from ddan_torchreid.data.datasets.matching import explain_no_match


@pytest.mark.parametrize(
    ("query", "gallery", "says"),
    [
        ([], [(1, 0)], "there are no queries"),
        ([(1, 0)], [], "no query has a match: 1 of 1 show persons who are not in the gallery"),
        ([(1, 0), (2, 0)], [(1, 1)], "1 of 2 queries have a match: 1 of 2 show persons who are"),
        ([(1, 0)], [(1, 0)], "1 of 1 show persons whose gallery images are all from the query's"),
    ],
)
def test_explanation_has_the_counts_in_one_line(query, gallery, says):
    text = explain_no_match(
        *([image[i] for image in images] for images in (query, gallery) for i in (0, 1))
    )
    assert says in text
    assert "\n" not in text
