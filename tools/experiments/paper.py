"""Numbers that others print: Chen et al. (AAAI 2021, Sec. 4) and two that came after, in percent.

Rank-1 is what it says. The columns printed as rank-5, rank-10 and mAP of the paper's own rows
are other quantities: the released code stores the CMC at ranks 2 and 6 there, and an average
precision by trapezoids, in single-shot 1 / (2 r) instead of 1 / r. Standard mAP is about
2 * mAP - rank-1.
"""

TARGETS = ("viper", "prid", "grid", "ilids")
SOURCES = ("cuhk02", "cuhk03", "dukemtmcreid", "market1501", "cuhksysu")
"""In the order of Tables 2 and 3; the paper calls CUHK-SYSU PersonSearch."""
IDENTITIES, IMAGES = 18_530, 121_765
"""Of the sources, train and test splits together."""
STEPS = 100 * IMAGES // 64
"""A hundred epochs in batches of 64."""

#: Table 1 and what came after: (rank-1, mAP) as printed, by target. The mAP is the release's, but
#: for MetaBIN's (Choi et al., CVPR 2021; MobileNetV2 x1.4). The rerun is issue 4 of the release.
TABLE1 = {
    "DDAN": ((52.3, 56.4), (54.5, 58.9), (50.6, 55.7), (78.5, 81.5)),
    "DDAN + DualNorm": ((56.5, 60.8), (62.9, 67.5), (46.2, 50.9), (78.0, 81.2)),
    "DDAN, a user's rerun": (
        (48.1, 52.6), (48.4, 53.6), (50.0, 52.2), (76.0, 79.3),
    ),
    "MetaBIN": ((56.9, 66.0), (72.5, 79.8), (49.7, 58.1), (79.7, 85.5)),
}  # fmt: skip

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

#: Table 3: rank-1 of baseline + L_DA, by central domain and target in the order of ``TARGETS``.
TABLE3 = {
    "cuhk02": (48.4, 48.5, 46.6, 74.8),
    "cuhk03": (49.0, 45.2, 48.4, 75.0),
    "dukemtmcreid": (49.2, 47.3, 45.1, 72.5),
    "market1501": (49.5, 48.2, 46.5, 74.1),
    "cuhksysu": (50.6, 50.0, 47.6, 74.6),
    "pairwise": (48.7, 45.4, 44.2, 74.5),
}

#: Table 5: rank-1, by row and target in the order of ``TARGETS``.
TABLE5 = {
    "identity": (41.4, 30.8, 38.1, 66.2),
    "triplet": (47.2, 46.4, 45.3, 72.3),
    "alignment": (50.6, 50.0, 47.6, 74.6),
    "similarity": (52.3, 54.5, 50.6, 78.5),
}
