"""The network of DDAN (paper, Sec. 3.1): encoder, mapping network and identity head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

LOSSES = ("softmax", "triplet", "ddan")


class _InputGradient(torch.autograd.Function):
    """Identity on ``mapped`` whose gradient also goes to ``z``, through the graph of ``mapped``."""

    @staticmethod
    def forward(ctx: FunctionCtx, z: Tensor, mapped: Tensor, source: Tensor) -> Tensor:
        ctx.save_for_backward(mapped, source)
        return mapped.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        mapped, source = ctx.saved_tensors  # type: ignore[attr-defined]
        # The graph is still needed: the gradient of the parameters passes through it afterwards.
        (to_z,) = torch.autograd.grad(mapped, source, grad, retain_graph=True)
        return to_z, grad, None


def map_and_align(mapping: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """Gives ``M(z)`` and ``M(stop_gradient(z))`` (Eq. 9) for one forward pass of the mapping.

    Both have the same values, bit for bit, and both train the mapping; only the first has a
    gradient with respect to ``z``. A second forward pass would do the same at a higher price and
    would move the running statistics of the mapping's batch norms twice a step.

    The mapping runs on a detached copy of ``z`` (sharing its memory), so the graph of the second
    output ends at the mapping. The first output is tied to ``z`` by a node that computes the
    missing product with the Jacobian of the mapping from the same graph. Derivatives of
    the first output with respect to ``z`` are of first order only (no ``create_graph=True``).

    Args:
        mapping: (B, C, h, w) -> (B, D). Its first operation must not work in place.
        z: (B, C, h, w).

    Returns:
        Two tensors of shape (B, D).
    """
    if not (z.requires_grad and torch.is_grad_enabled()):
        mapped = mapping(z)
        return mapped, mapped
    source = z.detach().requires_grad_()
    mapped = mapping(source)
    return _InputGradient.apply(z, mapped, source), mapped


def _forget_origin(model: DDANModel, _: Any) -> None:
    # Who loads knows from where and says so afterwards.
    model.weights_from = ""


class DDANModel(nn.Module):
    """Encoder ``E``, mapping network ``M`` and identity head of DDAN (Sec. 3.1, Sec. 4.1).

    The identity head is a batch-norm neck, dropout (training only) and a linear classifier over
    the identities of all source domains. The classifier keeps PyTorch's default initialisation, as
    in the authors' release. :meth:`drop_neck` leaves the neck out.

    All parameters lie directly under the children ``encoder``, ``mapping``, ``neck`` and
    ``classifier``, which is what torchreid's ``build_optimizer(staged_lr=True)`` splits by;
    ``new_layers=['neck', 'classifier']`` gives both backbone parts the lower learning rate.

    Attributes:
        align: Set it to False when no loss reads the aligned features (``weight_adversarial`` and
            ``weight_similarity`` both zero). The third output is then ``features.detach()``.
        reaches_encoder: Set it to True for aligned features whose gradient goes on to the encoder.
        name: Name under which torchreid builds the model; None for one that has none.
        autocast_dtype: Half-precision type of encoder and classifier in a training forward; the
            mapping and all outputs are float32 all the same. None leaves the precision to the
            caller.
        weights_from: Where the weights come from: ``'ImageNet'``, the path of a checkpoint, or
            empty for neither and for what ``load_state_dict`` was given.

    Args:
        encoder: Module from images (B, 3, H, W) to maps (B, C, h, w).
        mapping: Module from maps (B, C, h, w) to features (B, D), global pooling included. Its
            first operation must not work in place.
        feature_dim: D.
        num_classes: Number of identities over all source domains.
        loss: What a training forward returns: 'softmax', 'triplet' or 'ddan'.
        dropout: Probability of dropping an element of the classifier's input.

    Raises:
        ValueError: ``loss`` is none of the three.
    """

    def __init__(
        self,
        encoder: nn.Module,
        mapping: nn.Module,
        feature_dim: int,
        num_classes: int,
        loss: str = "softmax",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"loss is {loss!r}; write one of {', '.join(map(repr, LOSSES))}")
        self.feature_dim = feature_dim
        self.num_classes = num_classes
        self.loss = loss
        self.align = True
        self.reaches_encoder = False
        self.name: str | None = None
        self.autocast_dtype: torch.dtype | None = None
        self.weights_from = ""
        self.register_load_state_dict_post_hook(_forget_origin)
        self.encoder = encoder
        self.mapping = mapping
        self.neck: nn.Module = nn.BatchNorm1d(feature_dim)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(feature_dim, num_classes)

    @property
    def has_neck(self) -> bool:
        """Whether a batch norm stands between the features and the classifier."""
        return not isinstance(self.neck, nn.Identity)

    def drop_neck(self) -> None:
        """Classifies the features ``m`` themselves, as L_IDE alone does (Sec. 4.5).

        They are what the model gives in eval mode then, and its state dict has no ``neck.*``.
        """
        self.neck = nn.Identity()

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Test-time features in eval mode, what ``loss`` needs in training mode.

        Args:
            images: (B, 3, H, W), normalised as for ImageNet.

        Returns:
            In eval mode, for every ``loss``: the neck's output, or ``m`` where there is no neck
            (B, D), not normalised.
            In training mode, with logits (B, num_classes) and the features ``m`` (B, D) before
            the neck:

            * 'softmax': logits
            * 'triplet': (logits, m)
            * 'ddan': (logits, m, aligned), where aligned (B, D) equals ``m`` and carries gradients
              to the mapping network only (L2 of Eq. 9), or with ``reaches_encoder`` is ``m``.
        """
        z = self._in_half_precision(self.encoder, images)
        align = self.training and self.loss == "ddan" and self.align
        if align and not self.reaches_encoder:
            m, aligned = map_and_align(self.mapping, z)
        else:
            m = self.mapping(z)
            aligned = m if align else m.detach()
        neck = self.neck(m)
        if not self.training:
            return neck
        logits = self._in_half_precision(self.classifier, self.dropout(neck))
        if self.loss == "softmax":
            return logits
        if self.loss == "triplet":
            return logits, m
        return logits, m, aligned

    def _in_half_precision(self, part: nn.Module, given: Tensor) -> Tensor:
        """What a part makes of its input: computed in half precision if so set, and then float32.

        The mapping, a small share of the work, is left out: near 1, entries of a feature in
        bfloat16 are steps of 0.004 to 0.008 apart, more than the temperature of Eq. 8.
        """
        if not self.training or self.autocast_dtype is None:
            return part(given)
        # Here and not around the call, so that it holds in the threads of DataParallel too.
        with torch.autocast(given.device.type, self.autocast_dtype):
            return part(given).float()


def apply_neck(neck: str, model: Any, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Makes a model's neck what ``neck`` says. Done again, it changes nothing.

    Args:
        neck: ``'bn'``; ``'bnneck'``, where neither the neck's shift nor the classifier's bias is
            trained and the classifier begins near zero (Luo et al., CVPRW 2019); or ``'none'``
            (Sec. 4.5).
        model: the network itself, not wrapped in ``DataParallel``.
        optimizer: one that was built over the model; it loses the parameters that are not trained
            and what it has gathered of them, so that its state is that of one built without.

    Raises:
        ValueError: the model has no neck although it should, or cannot do without.
    """
    has_neck = getattr(model, "has_neck", True)
    if neck != "none" and not has_neck:
        raise ValueError("the model has no neck; write neck 'none', or build it anew")
    if neck == "bn" or not has_neck:
        return
    if not hasattr(model, "drop_neck"):
        raise ValueError(
            f"{type(model).__name__} cannot change its neck, which DDANModel can; write neck 'bn'"
        )
    if neck == "bnneck":
        dropped = {model.neck.bias, model.classifier.bias}
        if model.classifier.bias.any():  # neither done before nor loaded from such a model
            nn.init.normal_(model.classifier.weight, std=0.001)
            nn.init.zeros_(model.classifier.bias)
    else:
        before = set(model.parameters())
        model.drop_neck()
        dropped = before - set(model.parameters())
    if optimizer is None:
        return
    for group in optimizer.param_groups:
        group["params"] = [each for each in group["params"] if each not in dropped]
    for parameter in dropped:
        optimizer.state.pop(parameter, None)


def check_aligned(model: Any) -> None:
    """Refuses a network, not wrapped in ``DataParallel``, that gives L2 no features of its own.

    Raises:
        ValueError: it is none of this package, or built for another loss.
    """
    # torchreid's own models remember whatever loss they are given.
    parts = all(hasattr(model, name) for name in ("mapping", "feature_dim"))
    if getattr(model, "loss", None) != "ddan" or not parts:
        raise ValueError(
            "the model returns no aligned features; build it with "
            "torchreid.models.build_model('ddan_mobilenetv2_x1_0', ..., loss='ddan'), or in a "
            "configuration write model.name ddan_mobilenetv2_x1_0"
        )
