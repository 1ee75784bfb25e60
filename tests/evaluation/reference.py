"""The metrics by their definitions, one query at a time, for comparison."""

import numpy as np


def rankings(distances, query_pids, gallery_pids, query_camids, gallery_camids):
    """For each query with a match, 0 or 1 for each image of its ranked gallery."""
    found = []
    for row, pid, camid in zip(distances, query_pids, query_camids, strict=True):
        order = [
            place
            for place in np.argsort(row)
            if (gallery_pids[place], gallery_camids[place]) != (pid, camid)
        ]
        hits = [int(gallery_pids[place] == pid) for place in order]
        if any(hits):
            found.append(hits)
    return found


def mean_inp(*labelled):
    values = []
    for hits in rankings(*labelled):
        last = max(place for place, hit in enumerate(hits, 1) if hit)
        values.append(sum(hits) / last)
    return np.mean(values)


def labelled_distances(seed, queries=20, gallery=90, persons=8, cameras=3, levels=0):
    """Random distances (with ties, if a number of levels is given) and labels, in any order."""
    rng = np.random.default_rng(seed)
    distances = rng.random((queries, gallery), dtype=np.float32)
    if levels:
        distances = np.floor(distances * levels)
    return (
        distances,
        rng.integers(persons, size=queries),
        rng.integers(persons, size=gallery),
        rng.integers(cameras, size=queries),
        rng.integers(cameras, size=gallery),
    )
