"""Every option of DDAN: its name, its default and what is a legal value.

The engine takes these as keyword arguments and the configuration file takes them under ``ddan:``,
so both share this one list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .option_values import LARGEST, LEAST, NOT_NEGATIVE, WORDS, check_kind, nearest

# Below it the gradient of Eq. 8 leaves the range of float32.
_LEAST_TEMPERATURE = 1e-8


@dataclasses.dataclass(frozen=True)
class DDANSettings:
    """Options of :class:`~ddan_torchreid.engine.ImageDDANEngine`.

    Args:
        central_domain: name of the source every peripheral domain is aligned to (Eq. 3), or
            ``'auto'`` to choose it by Wasserstein distance before training. The paper chooses
            CUHK-SYSU (Table 2).
        alignment: ``'central'`` (the paper's), ``'pairwise'`` (all domains against each other,
            "All domains" of Tables 2 and 3; the similarity term then searches the other domains
            for every image) or ``'none'``.
        weight_identity: weight of L_IDE (Eq. 1).
        weight_triplet: lambda_1, weight of L_Triplet (Eq. 2).
        weight_adversarial: lambda_2, weight of L_DA-T (Eq. 5); 0 switches the adversary off.
        weight_similarity: lambda_3, weight of L_SE (Eq. 8); 0 switches the ID pool off.
        label_smoothing: of L_IDE, in [0, 1); the paper uses none.
        margin: margin of L_Triplet.
        normalize_triplet: compute L_Triplet on L2-normalised features, as the release does.
        neck: a batch-norm neck (``'bn'``) before the classifier, whose output is the test-time
            feature, or ``'none'``: both are of the features m themselves. In the paper the neck
            comes with L_Triplet (Sec. 4.5), so Table 5's first row has none.
        confusion: L_DA-T as cross-entropy to ``'uniform'`` (the release), negative ``'entropy'``
            (the paper's words) or cross-entropy to the ``'central'`` class.
        hidden_dim: width of the domain discriminator's hidden layer.
        top_k: k of Eq. 8, the number of similar identities an image is pulled to.
        temperature: tau of Eq. 8.
        update_rate: alpha of Eq. 7.
        similarity_start_epoch: number of first epochs without L_SE (paper: "after the 4th epoch").
        similarity_reduction: ``'mean'`` averages over batch, k and feature dimensions, as the
            release does; ``'eq8'`` sums over batch and dimensions as printed, and wants a weight
            that is smaller by their product (81,920 at 64 x 1280).
        similarity_log: logarithms of Eq. 8, ``'exact'`` or ``'released'``: log(p + 1e-8), which
            caps each log ratio near 18.4. The published lambda_3 was tuned with the released ones,
            with which L_SE is many times weaker at the published tau and its gradient points
            elsewhere. On photographs neither is shown to be better (docs/photographs.md), so the
            default is Eq. 8 as printed.
        exclude_own_identity: leave an image's own identity out of its neighbours in the central
            domain; the release keeps it.
        alignment_reaches: the gradient of L2 ends at the ``'mapping'`` network (Eq. 9), or goes on
            into the ``'encoder'``.
        alignment_ramp: epochs over which the weights of L2 grow to what they are, in equal steps.
        discriminator_norm: ``'batch'`` (the paper's) or ``'none'``, between its two layers.
        balanced_discriminator: in L_DA-D each class counts alike, whatever its share of the batch.
        discriminator_rate: factor of the discriminator's learning rate.
        standardise_similarity: pool, search and softmax of L_SE on features that are standardised
            over the batch.
        similarity_cameras: the pool has a row for each identity in each camera, and similar rows
            are looked for in all other cameras, of whatever source.
        weight_camera: weight of the distance between the moments of the cameras of a source.
        average: decay of the exponential average of the weights, which is tested; 0 tests the
            weights themselves.
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
        pool_device: keep the ID pool on the device of the ``'model'``, or in the memory of the
            ``'cpu'`` when a GPU cannot hold its three matrices of identities x 1280 numbers (15.4
            GB for a million identities); it is searched there too, which takes longer.
        pool_sharding: with several processes, each keeps an equal part of the ID pool instead of
            all of it; the neighbours found are the same. For pools that one GPU cannot hold.
        sync_batchnorm: with several processes on GPUs, batch normalisation over the global batch
            instead of each process's part of it. On a CPU, which has no such layer, every process
            normalises its own part, and the running statistics are those of the first one.
        amp: mixed precision of the model in training: ``'bf16'``, ``'fp16'`` (with a gradient
            scaler), ``'off'``, or ``'auto'``, bfloat16 on GPUs that compute in it and float32
            elsewhere, for on CPUs half precision is slower. The mapping network, the losses, the
            discriminator, the ID pool and test-time features are float32 in any case.
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
            not replayed, nor are the steps that ``log_gradients`` measures, which take their memory
            beside that of the recorded one.
        log_gradients: every so many steps of an epoch, from its first one on, measure how large the
            gradient of each weighted term is on the mapping network (L2 norm), print it and write
            it to TensorBoard; 0 does not. It changes no result.
        progress: ``'auto'`` shows a bar with images per second and the time left on a terminal,
            ``'off'`` none.

    Raises:
        ValueError: an option has an illegal value; the message says which values are legal.
    """

    central_domain: str = "cuhksysu"
    alignment: str = "central"
    weight_identity: float = 1.0
    weight_triplet: float = 1.0
    weight_adversarial: float = 0.18
    weight_similarity: float = 0.05
    label_smoothing: float = 0.0
    margin: float = 0.3
    normalize_triplet: bool = True
    neck: str = "bn"
    confusion: str = "uniform"
    hidden_dim: int = 128
    top_k: int = 8
    temperature: float = 2e-3
    update_rate: float = 0.05
    similarity_start_epoch: int = 4
    similarity_reduction: str = "mean"
    similarity_log: str = "exact"
    exclude_own_identity: bool = False
    alignment_reaches: str = "mapping"
    alignment_ramp: int = 0
    discriminator_norm: str = "batch"
    balanced_discriminator: bool = False
    discriminator_rate: float = 1.0
    standardise_similarity: bool = False
    similarity_cameras: bool = False
    weight_camera: float = 0.0
    average: float = 0.0
    seed: int | None = None
    bad_images: str = "error"
    allow_leaks: bool = False
    evaluation_splits: int = 0
    splits_from: str = ""
    splits_seed: int = 0
    viper_a_to_b: bool = False
    legacy_metrics: bool = False
    evaluator: str = "ddan"
    checkpoint_every_epochs: int = 1
    checkpoint_every_minutes: float = 0.0
    keep_checkpoints: int = 3
    pool_device: str = "model"
    pool_sharding: bool = False
    sync_batchnorm: bool = True
    amp: str = "auto"
    accumulate_steps: int = 1
    warmup_steps: int = 0
    compile: bool = False
    cuda_graphs: str = "auto"
    log_gradients: int = 0
    progress: str = "auto"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_kind(field.name, getattr(self, field.name), field.default)
        values = dataclasses.asdict(self)
        for name, valid in WORDS.items():
            if values[name] not in valid:
                raise ValueError(
                    f"{name}={values[name]!r} is unknown; {nearest(str(values[name]), valid)}"
                )
        for name in NOT_NEGATIVE:
            if not 0 <= values[name] <= LARGEST:
                raise ValueError(f"{name}={values[name]} must be a finite number, 0 or more")
        for name, least in LEAST.items():
            if values[name] < least:
                raise ValueError(f"{name}={values[name]} must be a whole number, {least} or more")
        if self.weight_identity == 0 and self.weight_triplet == 0:
            raise ValueError(
                "weight_identity and weight_triplet are both 0, so nothing would train the "
                "encoder; give at least one of them a positive value"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing={self.label_smoothing} must be in [0, 1)")
        if not _LEAST_TEMPERATURE <= self.temperature <= LARGEST:
            raise ValueError(
                f"temperature={self.temperature} must be above 0, from {_LEAST_TEMPERATURE} on; "
                "the paper's is 0.002"
            )
        if not 0 <= self.update_rate <= 1:
            raise ValueError(f"update_rate={self.update_rate} must be in [0, 1]")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed} must be None or a whole number from 0 to 2**32 - 1")
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
        names = cls.names()
        for keyword in keywords:
            if keyword not in names:
                raise TypeError(f"unknown option {keyword!r}; {nearest(keyword, names)}")
        return cls(**keywords)

    @classmethod
    def names(cls) -> list[str]:
        """Names of all options, in the order of the class."""
        return [field.name for field in dataclasses.fields(cls)]

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
        searches = self.similarity and not self.similarity_cameras
        return (self.adversarial or searches) and self.alignment not in ("pairwise", "cameras")

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
