"""Which queries have a match in the gallery, and why others have none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class MatchCounts(NamedTuple):
    """Numbers of queries: all, with a match, of absent persons, seen by their own camera only."""

    queries: int
    matched: int
    absent: int
    same_camera: int


def count_matches(
    query_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_pids: ArrayLike,
    gallery_camids: ArrayLike,
) -> MatchCounts:
    """Counts the queries that have a match, and the others by what they lack.

    A match is a gallery image of the same person under another camera; images of the query's own
    person and camera are left out of the scoring, as in Market-1501's protocol.

    Args:
        query_pids: (Q,) whole numbers, persons of the queries.
        query_camids: (Q,) whole numbers, cameras of the queries.
        gallery_pids: (G,) whole numbers, persons of the gallery.
        gallery_camids: (G,) whole numbers, cameras of the gallery.

    Returns:
        The counts, of which the last three sum to the first.
    """
    pids = np.concatenate([np.asarray(query_pids), np.asarray(gallery_pids)])
    cameras = np.concatenate([np.asarray(query_camids), np.asarray(gallery_camids)])
    if not len(pids):
        return MatchCounts(0, 0, 0, 0)
    queries = len(np.asarray(query_pids))
    _, persons = np.unique(pids, return_inverse=True)
    _, cameras = np.unique(cameras, return_inverse=True)
    views = persons * (cameras.max() + 1) + cameras
    gallery_views, first = np.unique(views[queries:], return_index=True)
    cameras_of_person = np.bincount(persons[queries:][first], minlength=persons.max() + 1)
    seen_by = cameras_of_person[persons[:queries]]
    absent = int((seen_by == 0).sum())
    same_camera = int(((seen_by == 1) & np.isin(views[:queries], gallery_views)).sum())
    return MatchCounts(queries, queries - absent - same_camera, absent, same_camera)


def explain_no_match(
    query_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_pids: ArrayLike,
    gallery_camids: ArrayLike,
) -> str:
    """Says in one line how many queries have a match, why others have none, and what to change.

    The arguments are those of :func:`count_matches`.
    """
    queries, matched, absent, same_camera = count_matches(
        query_pids, query_camids, gallery_pids, gallery_camids
    )
    if not queries:
        return "there are no queries; add query images"
    if matched == queries:
        return f"all {queries} queries have a match in the gallery"
    start = f"{matched} of {queries} queries have a match" if matched else "no query has a match"
    reasons = []
    if absent:
        reasons.append(
            f"{absent} of {queries} show persons who are not in the gallery (add images of them)"
        )
    if same_camera:
        reasons.append(
            f"{same_camera} of {queries} show persons whose gallery images are all from the "
            "query's own camera, which does not count (give each camera its own number, or add "
            "images of other cameras)"
        )
    return f"{start}: {'; '.join(reasons)}"
