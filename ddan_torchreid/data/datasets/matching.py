"""Which queries have a match in the gallery, and why others have none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


def count_matches(
    query_pids: Iterable, query_camids: Iterable, gallery_pids: Iterable, gallery_camids: Iterable
) -> tuple[int, int, int, int]:
    """Counts the queries that have a match, and the others by what they lack.

    A match is a gallery image of the same person under another camera, as in Market-1501's
    protocol.

    Args:
        query_pids, query_camids: (Q,) persons and cameras of the queries.
        gallery_pids, gallery_camids: (G,) those of the gallery.

    Returns:
        Numbers of queries: all, with a match, of absent persons, seen by their own camera only.
    """
    cameras = defaultdict(set)
    for pid, camera in zip(gallery_pids, gallery_camids, strict=True):
        cameras[pid].add(camera)
    queries = list(zip(query_pids, query_camids, strict=True))
    absent = sum(pid not in cameras for pid, _ in queries)
    same_camera = sum(cameras.get(pid) == {camera} for pid, camera in queries)
    return len(queries), len(queries) - absent - same_camera, absent, same_camera


def explain_no_match(*columns: Iterable) -> str:
    """Says in one line why queries have no match and what to change.

    Args:
        *columns: those of :func:`count_matches`, of queries that do not all have one.
    """
    queries, matched, absent, same_camera = count_matches(*columns)
    if not queries:
        return "there are no queries; add query images"
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
