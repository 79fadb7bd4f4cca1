"""Losses as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from descend import functions as F
from descend.core.variable import Variable
from descend.nn.module import Module


class Loss(Module):
    """The base of losses that are one function with the settings that the module holds.

    ``reduction`` is "mean", "sum" or "none".
    """

    function: ClassVar[Callable[..., Any]]
    settings: ClassVar[tuple[str, ...]] = ()
    """The names of the settings besides ``reduction``."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, *xs: Any) -> Any:
        """The loss."""
        settings = {name: getattr(self, name) for name in (*self.settings, "reduction")}
        return type(self).function(*xs, **settings)


class MSELoss(Loss):
    """The squared difference of x and t; `functions.mse_loss`."""

    function = staticmethod(F.mse_loss)


class L1Loss(Loss):
    """The absolute difference of x and t; `functions.l1_loss`."""

    function = staticmethod(F.l1_loss)


class CrossEntropyLoss(Module):
    """The negative logarithm of the probability of the target; `functions.cross_entropy`."""

    weight: Variable | None

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        axis: int = 1,
    ) -> None:
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing
        self.axis = axis

    def forward(self, x: Any, t: Any) -> Any:
        """The loss."""
        return F.cross_entropy(
            x, t, self.weight, self.ignore_index, self.reduction, self.label_smoothing, self.axis
        )


class SmoothL1Loss(Loss):
    """Squares of small differences, lines for large ones; `functions.smooth_l1_loss`."""

    function = staticmethod(F.smooth_l1_loss)
    settings = ("beta",)

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta


class HuberLoss(Loss):
    """Half squares of small differences, lines for large ones; `functions.huber_loss`."""

    function = staticmethod(F.huber_loss)
    settings = ("delta",)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta


class KLDivLoss(Loss):
    """How far the distribution t is from one whose logarithm is x; `functions.kl_div`."""

    function = staticmethod(F.kl_div)
    settings = ("log_target",)

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target


class GaussianNLLLoss(Loss):
    """Minus the logarithm of a normal density; `functions.gaussian_nll_loss`."""

    function = staticmethod(F.gaussian_nll_loss)
    settings = ("full", "eps")

    def __init__(self, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = eps


class PoissonNLLLoss(Loss):
    """Minus the logarithm of the probability to count t; `functions.poisson_nll_loss`."""

    function = staticmethod(F.poisson_nll_loss)
    settings = ("log_input", "full", "eps")

    def __init__(
        self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps


class BCELoss(Loss):
    """Binary cross entropy of probabilities; `functions.binary_cross_entropy`."""

    function = staticmethod(F.binary_cross_entropy)
    settings = ("weight",)

    weight: Variable | None

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class BCEWithLogitsLoss(Loss):
    """Binary cross entropy of logits; `functions.binary_cross_entropy_with_logits`."""

    function = staticmethod(F.binary_cross_entropy_with_logits)
    settings = ("weight", "pos_weight")

    weight: Variable | None
    pos_weight: Variable | None

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)


class NLLLoss(Loss):
    """Minus x at the target; `functions.nll_loss`."""

    function = staticmethod(F.nll_loss)
    settings = ("weight", "ignore_index", "axis")

    weight: Variable | None

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", axis: int = 1
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.axis = axis


class HingeEmbeddingLoss(Loss):
    """Distances of like pairs, hinges of unlike; `functions.hinge_embedding_loss`."""

    function = staticmethod(F.hinge_embedding_loss)
    settings = ("margin",)

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class MarginRankingLoss(Loss):
    """A hinge of which of two should be larger; `functions.margin_ranking_loss`."""

    function = staticmethod(F.margin_ranking_loss)
    settings = ("margin",)

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class SoftMarginLoss(Loss):
    """log(1 + exp(-t * x)) with t 1 or -1; `functions.soft_margin_loss`."""

    function = staticmethod(F.soft_margin_loss)


class MultiMarginLoss(Loss):
    """Hinges between the right class and each other one; `functions.multi_margin_loss`."""

    function = staticmethod(F.multi_margin_loss)
    settings = ("p", "margin", "weight")

    weight: Variable | None

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.p = p
        self.margin = margin
        self.register_buffer("weight", weight)


class MultiLabelMarginLoss(Loss):
    """Hinges between right and wrong classes; `functions.multilabel_margin_loss`."""

    function = staticmethod(F.multilabel_margin_loss)


class MultiLabelSoftMarginLoss(Loss):
    """Binary cross entropy of each class; `functions.multilabel_soft_margin_loss`."""

    function = staticmethod(F.multilabel_soft_margin_loss)
    settings = ("weight",)

    weight: Variable | None

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CosineEmbeddingLoss(Loss):
    """How far the cosine of a pair is from what it should be; `functions.cosine_embedding_loss`."""

    function = staticmethod(F.cosine_embedding_loss)
    settings = ("margin",)

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class TripletMarginLoss(Loss):
    """A hinge of two distances from an anchor; `functions.triplet_margin_loss`."""

    function = staticmethod(F.triplet_margin_loss)
    settings = ("margin", "p", "eps", "swap")

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap


class CTCLoss(Loss):
    """Minus the logarithm of the probability of all alignments; `functions.ctc_loss`."""

    function = staticmethod(F.ctc_loss)
    settings = ("blank", "zero_infinity")

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity
