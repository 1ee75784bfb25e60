"""The numbers that the paper prints (Chen et al., AAAI 2021, Sec. 4), in percent.

Rank-1 is what it says. The columns printed as rank-5, rank-10 and mAP of the paper's own rows
are other quantities: the released code stores the CMC at ranks 2 and 6 there, and an average
precision by trapezoids, in single-shot 1 / (2 r) instead of 1 / r. Standard mAP is about
2 * mAP - rank-1.
"""

LEGACY_NOTE = (
    "The paper's R-5, R-10 and mAP are ranks 2 and 6 and a trapezoid AP, so only its rank-1 "
    "compares with the standard figures."
)

TARGETS = ("viper", "prid", "grid", "ilids")
SOURCES = ("cuhk02", "cuhk03", "dukemtmcreid", "market1501", "cuhksysu")
"""In the order of Tables 2 and 3; the paper calls CUHK-SYSU PersonSearch."""

#: Table 1: R-1, R-5, R-10 and mAP as printed, by row and target. ``in_bn_baseline`` is DualNorm's
#: own row, and the baseline without IN/BN has none: its rank-1 is Table 5's second row.
TABLE1 = {
    "in_bn_baseline": {
        "viper": (53.9, 62.5, 75.3, 58.0),
        "prid": (60.4, 73.6, 84.8, 64.9),
        "grid": (41.4, 47.4, 64.7, 45.7),
        "ilids": (74.8, 82.0, 91.5, 78.5),
    },
    "ddan": {
        "viper": (52.3, 60.6, 71.8, 56.4),
        "prid": (54.5, 62.7, 74.9, 58.9),
        "grid": (50.6, 62.1, 73.8, 55.7),
        "ilids": (78.5, 85.3, 92.5, 81.5),
    },
    "in_bn_ddan": {
        "viper": (56.5, 65.6, 76.3, 60.8),
        "prid": (62.9, 74.2, 85.3, 67.5),
        "grid": (46.2, 55.4, 68.0, 50.9),
        "ilids": (78.0, 85.7, 93.2, 81.2),
    },
}

#: Table 2: distances between the sources under the baseline, in the order of ``SOURCES``.
TABLE2 = (
    (0.0, 0.69, 1.61, 1.37, 0.87),
    (0.69, 0.0, 1.58, 1.44, 0.72),
    (1.61, 1.58, 0.0, 1.69, 1.20),
    (1.37, 1.44, 1.69, 0.0, 1.10),
    (0.87, 0.72, 1.20, 1.10, 0.0),
)
#: Table 2: sums as printed.
TABLE2_SUMS = (4.54, 4.43, 6.08, 5.60, 3.89)
#: Table 2, "All domains": from the baseline's features to those of pairwise alignment; their sum.
TABLE2_PAIRWISE = (1.81, 1.91, 1.92, 1.78, 1.93)
TABLE2_PAIRWISE_SUM = 9.35

#: Table 3: rank-1 of baseline + L_DA, by central domain and target in the order of ``TARGETS``.
TABLE3 = {
    "cuhk02": (48.4, 48.5, 46.6, 74.8),
    "cuhk03": (49.0, 45.2, 48.4, 75.0),
    "dukemtmcreid": (49.2, 47.3, 45.1, 72.5),
    "market1501": (49.5, 48.2, 46.5, 74.1),
    "cuhksysu": (50.6, 50.0, 47.6, 74.6),
    "pairwise": (48.7, 45.4, 44.2, 74.5),
}

#: Table 4: (cs(A, B), cs(A, C)) without and with L_SE, of three triples.
TABLE4 = (
    ((0.67, 0.59), (0.65, 0.83)),
    ((0.78, 0.75), (0.86, 0.91)),
    ((0.76, 0.71), (0.77, 0.85)),
)

#: Table 5: rank-1, by row and target in the order of ``TARGETS``.
TABLE5 = {
    "identity": (41.4, 30.8, 38.1, 66.2),
    "triplet": (47.2, 46.4, 45.3, 72.3),
    "alignment": (50.6, 50.0, 47.6, 74.6),
    "similarity": (52.3, 54.5, 50.6, 78.5),
}

#: Figure 3: what the text of Sec. 4.4 says is best.
BEST = {"top_k": 8, "temperature": 2e-3}


def rank1(experiment: str, row: str, target: str) -> float | None:
    """The paper's rank-1 for a row of Tables 1, 3 and 5 and a target; None where it has none."""
    if target not in TARGETS:
        return None
    place = TARGETS.index(target)
    if experiment == "table1":
        if row == "baseline":
            return TABLE5["triplet"][place]
        return TABLE1[row][target][0] if row in TABLE1 else None
    table = {"table3": TABLE3, "table5": TABLE5}.get(experiment, {})
    return table[row][place] if row in table else None
