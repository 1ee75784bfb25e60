"""Every option of DDAN: its name, its default and what is a legal value.

The engine takes these as keyword arguments and the configuration file takes them under ``ddan:``,
so both share this one list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from .options import LARGEST, Option, nearest

# Below it the gradient of Eq. 8 leaves the range of float32.
_LEAST_TEMPERATURE = 1e-8


def _option(default: Any, **legal: Any) -> Any:
    """A field whose metadata says what is legal."""
    return dataclasses.field(default=default, metadata={"option": Option(default, **legal)})


@dataclasses.dataclass(frozen=True)
class DDANSettings:
    """Options of :class:`~ddan_torchreid.engine.ImageDDANEngine`.

    Args:
        central_domain: name of the source that every peripheral domain is aligned to (Eq. 3), or
            ``'auto'`` to choose it by Wasserstein distance before training. The paper's is
            CUHK-SYSU (Table 2).
        alignment: ``'central'`` (the paper's), ``'pairwise'`` ("All domains" of Tables 2 and 3: all
            domains against each other, neighbours from the other domains) or ``'none'``.
        weight_identity: weight of L_IDE (Eq. 1).
        weight_triplet: lambda_1, weight of L_Triplet (Eq. 2).
        weight_adversarial: lambda_2, weight of L_DA-T (Eq. 5); 0 switches the adversary off.
        weight_similarity: lambda_3, weight of L_SE (Eq. 8); 0 switches the ID pool off.
        label_smoothing: of L_IDE, in [0, 1); the paper uses none.
        margin: of L_Triplet.
        normalize_triplet: compute L_Triplet on L2-normalised features, as the release does.
        neck: a batch-norm neck (``'bn'``) before the classifier, whose output is the test-time
            feature; ``'bnneck'``, the same without training the neck's shift and the classifier's
            bias, and with a classifier that begins near zero (Luo et al., CVPRW 2019); or
            ``'none'``: both are of the features m themselves. In the paper the neck comes with
            L_Triplet (Sec. 4.5), so Table 5's first row has none.
        alignment_reaches: L2 trains the ``'mapping'`` network (Eq. 9), or the ``'encoder'`` too.
        alignment_ramp: number R of first epochs with less alignment: in epoch n, from 1, the
            weights of L2 are n / (R + 1) of what they are set to.
        confusion: L_DA-T as cross-entropy to ``'uniform'`` (the release), negative ``'entropy'``
            (the paper's words) or cross-entropy to the ``'central'`` class.
        discriminator: the ``'published'`` one, with batch norm between its layers (Sec. 4.1), or
            ``'balanced'``, with a ReLU there and an L_DA-D in which each of its classes counts
            alike, however many images of the batch are of it.
        discriminator_rate: factor of the discriminator's learning rate, which is otherwise that of
            the model's last parameter group.
        hidden_dim: width of the domain discriminator's hidden layer.
        top_k: k of Eq. 8, the number of similar identities an image is pulled to.
        temperature: tau of Eq. 8.
        update_rate: alpha of Eq. 7.
        similarity_start_epoch: number of first epochs without L_SE (paper: "after the 4th epoch").
        similarity_reduction: ``'mean'`` averages over batch, k and feature dimensions, as the
            release does; ``'eq8'`` sums over batch and dimensions as printed, and wants a weight
            that is smaller by their product (81,920 at 64 x 1280).
        similarity_log: logarithms of Eq. 8, ``'exact'`` or ``'released'``: log(p + 1e-8), which
            caps each log ratio near 18.4. With the released ones, for which lambda_3 was tuned,
            L_SE is many times weaker at the published tau. On photographs neither is shown to be
            better (docs/photographs.md), so the default is Eq. 8 as printed.
        exclude_own_identity: leave an image's own identity out of its neighbours in the central
            domain; the release keeps it.
        seed: seeds every epoch by (seed, epoch); None leaves the random state to the caller.
        bad_images: an unreadable image file is an ``'error'``, or ``'skip'``: all images are read
            before training, another image of the same identity takes the place of a bad training
            image, and bad query and gallery images are left out.
        allow_leaks: go on when training images are also query or gallery images.
        evaluation_splits: number of single-shot splits that VIPeR, PRID, GRID and i-LIDS are
            scored on (VIPeR on each in both directions), 10 in the paper; 0 scores every target on
            its own query and gallery.
        splits_from: empty to draw the splits, ``'torchreid'`` for those that torchreid has stored
            under the data root, or a folder of splits that an evaluation has written.
        splits_seed: of the random splits.
        viper_a_to_b: score VIPeR with the images of camera A as queries only.
        legacy_metrics: also print the released code's columns (ranks 2 and 6, trapezoid AP).
        evaluator: CMC and mAP from this package (``'ddan'``) or from torchreid's evaluator
            (``'torchreid'``): the same values, much more slowly.
        checkpoint_every_epochs: save the whole state after each so many epochs; 0 saves it only
            when an epoch is tested, as torchreid does.
        checkpoint_every_minutes: also save it within an epoch when the last checkpoint is so old;
            0 does not.
        keep_checkpoints: number of the last epochs whose checkpoints stay; 0 keeps all. Those of
            tested epochs always stay.
        pool_device: keep the ID pool, three matrices of identities x 1280 numbers (15.4 GB for a
            million identities), on the device of the ``'model'``, or in the memory of the
            ``'cpu'``, where the search takes longer.
        pool_sharding: with several processes, each keeps an equal part of the ID pool instead of
            all of it; the neighbours found are the same. For pools that one GPU cannot hold.
        sync_batchnorm: with several processes on GPUs, batch normalisation over the global batch
            instead of each process's part of it. On CPUs every process normalises its own part,
            and the running statistics are those of the first one.
        amp: mixed precision of encoder and classifier in training: ``'bf16'``, ``'fp16'`` (with a
            gradient scaler), ``'off'``, or ``'auto'``: bfloat16 on GPUs that compute in it, else
            float32. The mapping network, the losses, the discriminator, the ID pool and test-time
            features are float32 in any case.
        accumulate_steps: batches for a step of the optimisers, of which gradients and printed
            values are averaged. The triplet term and batch normalisation see one batch at a time,
            the ID pool is updated with all of them after the step, and the last step of an epoch
            takes the batches that are left.
        warmup_steps: steps of the optimisers over which the learning rates rise linearly to what
            the scheduler says; the paper has no such steps. Steps that float16 skips do not count.
        compile: ``torch.compile`` the encoder in training. Needs a compiler and a minute or more.
        cuda_graphs: record the step's part on the GPU as a CUDA graph and replay it: the same
            kernels and results, without the time that the host takes to start each. ``'auto'`` does
            so in one process with one NVIDIA GPU, ``accumulate_steps`` 1, the ID pool on it, and
            layers of PyTorch, torchvision, torchreid and this package only, for a replay runs no
            Python code; ``'on'`` whatever the layers, ``'off'`` not at all. A model with hooks is
            not replayed, nor are the steps that ``log_gradients`` measures.
        log_gradients: every so many steps of an epoch, from its first one on, print the L2 norm of
            each weighted term's gradient on the mapping network and write it to TensorBoard; 0 does
            not. It changes no result.
        progress: ``'auto'`` shows a bar with images per second and the time left on a terminal,
            ``'off'`` none.

    Raises:
        ValueError: an option has an illegal value; the message says which values are legal.
    """

    central_domain: str = _option("cuhksysu")
    alignment: str = _option("central", words=("central", "pairwise", "none"))
    weight_identity: float = _option(1.0, least=0)
    weight_triplet: float = _option(1.0, least=0)
    weight_adversarial: float = _option(0.18, least=0)
    weight_similarity: float = _option(0.05, least=0)
    label_smoothing: float = _option(0.0, least=0, below=1)
    margin: float = _option(0.3, least=0)
    normalize_triplet: bool = _option(True)
    neck: str = _option("bn", words=("bn", "bnneck", "none"))
    alignment_reaches: str = _option("mapping", words=("mapping", "encoder"))
    alignment_ramp: int = _option(0, least=0)
    confusion: str = _option("uniform", words=("uniform", "entropy", "central"))
    discriminator: str = _option("published", words=("published", "balanced"))
    discriminator_rate: float = _option(1.0, least=0)
    hidden_dim: int = _option(128, least=1)
    top_k: int = _option(8, least=1)
    temperature: float = _option(2e-3)
    update_rate: float = _option(0.05)
    similarity_start_epoch: int = _option(4, least=0)
    similarity_reduction: str = _option("mean", words=("mean", "eq8"))
    similarity_log: str = _option("exact", words=("exact", "released"))
    exclude_own_identity: bool = _option(False)
    seed: int | None = _option(None, least=0, below=2**32)
    bad_images: str = _option("error", words=("error", "skip"))
    allow_leaks: bool = _option(False)
    evaluation_splits: int = _option(0, least=0)
    splits_from: str = _option("")
    splits_seed: int = _option(0, least=0)
    viper_a_to_b: bool = _option(False)
    legacy_metrics: bool = _option(False)
    evaluator: str = _option("ddan", words=("ddan", "torchreid"))
    checkpoint_every_epochs: int = _option(1, least=0)
    checkpoint_every_minutes: float = _option(0.0, least=0)
    keep_checkpoints: int = _option(3, least=0)
    pool_device: str = _option("model", words=("model", "cpu"))
    pool_sharding: bool = _option(False)
    sync_batchnorm: bool = _option(True)
    amp: str = _option("auto", words=("auto", "off", "bf16", "fp16"))
    accumulate_steps: int = _option(1, least=1)
    warmup_steps: int = _option(0, least=0)
    compile: bool = _option(False)
    cuda_graphs: str = _option("auto", words=("auto", "on", "off"))
    log_gradients: int = _option(0, least=0)
    progress: str = _option("auto", words=("auto", "off"))

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            field.metadata["option"].check(field.name, getattr(self, field.name))
        if self.weight_identity == 0 and self.weight_triplet == 0:
            raise ValueError(
                "weight_identity and weight_triplet are both 0, so nothing would train the "
                "encoder; give at least one of them a positive value"
            )
        if not _LEAST_TEMPERATURE <= self.temperature <= LARGEST:
            raise ValueError(
                f"temperature={self.temperature} must be above 0, from {_LEAST_TEMPERATURE} on; "
                "the paper's is 0.002"
            )
        if not 0 <= self.update_rate <= 1:
            raise ValueError(f"update_rate={self.update_rate} must be in [0, 1]")
        on_cpu, graphs = self.pool_device == "cpu", self.cuda_graphs == "on"
        groups = f"accumulate_steps={self.accumulate_steps}"
        for both, pair in (
            (self.pool_sharding and on_cpu, "pool_sharding True and pool_device 'cpu'"),
            (graphs and on_cpu, "pool_device 'cpu' and cuda_graphs 'on'"),
            (graphs and self.accumulate_steps > 1, f"{groups} and cuda_graphs 'on'"),
        ):
            if both:
                raise ValueError(f"{pair} exclude each other; write only the one you need")
        if self.splits_from and not self.evaluation_splits:
            raise ValueError(
                f"splits_from={self.splits_from!r} without splits; write evaluation_splits 10 too"
            )
        if self.confusion == "central" and self.alignment == "pairwise":
            raise ValueError(
                "confusion='central' needs alignment='central'; with alignment='pairwise' "
                "write 'uniform' or 'entropy'"
            )

    @classmethod
    def from_keywords(cls, keywords: dict) -> DDANSettings:
        """Builds the settings, naming the nearest valid option for an unknown one.

        Raises:
            TypeError: a keyword is not an option.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for keyword in keywords:
            if keyword not in names:
                raise TypeError(f"unknown option {keyword!r}; {nearest(keyword, names)}")
        return cls(**keywords)

    @property
    def adversarial(self) -> bool:
        """Whether a domain discriminator is trained (Sec. 3.2)."""
        return self.alignment != "none" and self.weight_adversarial > 0

    @property
    def similarity(self) -> bool:
        """Whether an ID pool is kept (Sec. 3.3)."""
        return self.weight_similarity > 0

    @property
    def follows_protocol(self) -> bool:
        """Whether targets are scored by :func:`~ddan_torchreid.evaluation.evaluate_protocol`."""
        return self.evaluation_splits > 0 or self.legacy_metrics

    @property
    def needs_central_domain(self) -> bool:
        """Pairwise alignment has no central domain; all else that aligns has."""
        return (self.adversarial or self.similarity) and self.alignment != "pairwise"

    def check_sources(self, sources: Sequence[str]) -> None:
        """Checks the options against the names of the source domains.

        Raises:
            ValueError: alignment with a single source, or a central domain that is not a source.
        """
        if not (self.adversarial or self.similarity):
            return
        if len(sources) < 2:
            raise ValueError(
                f"alignment needs two source domains or more, got {', '.join(sources) or 'none'}; "
                "add sources, or write weight_adversarial 0.0 and weight_similarity 0.0 "
                "to train the baseline"
            )
        if self.needs_central_domain and self.central_domain not in (*sources, "auto"):
            raise ValueError(
                f"central_domain={self.central_domain!r} is not among the sources; "
                f"{nearest(self.central_domain, [*sources, 'auto'])}"
            )
