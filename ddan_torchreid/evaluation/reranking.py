"""The memory that k-reciprocal re-ranking takes, and the refusal where it is not there."""

from __future__ import annotations

from ..system import memory

# torchreid's re_ranking has, at its peak, six times four bytes for each pair of images: distances,
# squared distances, neighbour weights, and the order of the neighbours in 8 and in 4 bytes.
BYTES_A_PAIR = 24


def check_memory(queries: int, gallery: int, target: str = "") -> None:
    """Looks for the memory before re-ranking starts, which would otherwise end with a killed run.

    Args:
        queries: number of query images.
        gallery: number of gallery images.
        target: the dataset's name, for the message.

    Raises:
        ValueError: less than re-ranking needs can be had.
    """
    needed, there = BYTES_A_PAIR * (queries + gallery) ** 2, memory.available()
    if there is not None and needed > there:
        of = f" of {target}" if target else ""
        raise ValueError(
            f"test.rerank needs about {needed / 1e9:,.1f} GB of memory for the {queries:,} queries "
            f"and {gallery:,} gallery images{of}, and {there / 1e9:,.1f} GB can be had; write "
            "test.rerank False"
        )
