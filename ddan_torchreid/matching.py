"""Which queries have a match in the gallery, and why others have none."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def explain_no_match(
    query_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_pids: ArrayLike,
    gallery_camids: ArrayLike,
) -> str:
    """Says how many queries have a match and why the others have none.

    A match is a gallery image of the same person under another camera; images of the query's own
    person and camera are left out of the scoring, as in Market-1501's protocol.

    Args:
        query_pids: (Q,) whole numbers, persons of the queries.
        query_camids: (Q,) whole numbers, cameras of the queries.
        gallery_pids: (G,) whole numbers, persons of the gallery.
        gallery_camids: (G,) whole numbers, cameras of the gallery.

    Returns:
        One line with the counts, and what to change where a query has no match.
    """
    q_pids, g_pids = np.asarray(query_pids, np.int64), np.asarray(gallery_pids, np.int64)
    q_cameras, g_cameras = np.asarray(query_camids, np.int64), np.asarray(gallery_camids, np.int64)
    if not len(q_pids) or not len(g_pids):
        return f"there are {len(q_pids)} query and {len(g_pids)} gallery images; both are needed"
    present = np.isin(q_pids, g_pids)
    _, camera = np.unique(np.concatenate([q_cameras, g_cameras]), return_inverse=True)
    _, person = np.unique(np.concatenate([q_pids, g_pids]), return_inverse=True)
    view = person * (camera.max() + 1) + camera
    q_person, q_view, g_views = person[: len(q_pids)], view[: len(q_pids)], view[len(q_pids) :]
    g_views = np.unique(g_views)
    cameras_of = np.bincount(g_views // (camera.max() + 1), minlength=person.max() + 1)
    hidden = np.isin(q_view, g_views) & (cameras_of[q_person] == 1)
    matched = present & ~hidden

    total, count = len(q_pids), int(matched.sum())
    if count == total:
        return f"all {total} queries have a match in the gallery"
    start = f"{count} of the {total} queries have a match" if count else "no query has a match"
    reasons = []
    if missing := int((~present).sum()):
        reasons.append(
            f"{missing} of {total} show persons who are not in the gallery (add images of "
            "them to it)"
        )
    if same := int(hidden.sum()):
        reasons.append(
            f"{same} of {total} show persons whose gallery images all come from the query's "
            "own camera, which does not count (give every camera its own number, or add images of "
            "other cameras)"
        )
    return f"{start}: {'; '.join(reasons)}"
