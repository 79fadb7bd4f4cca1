"""Optimizers under PyTorch's names and with its defaults, schedules, and gradient clipping.

`optimizer` has what all share; each family's file has its update as a function of arrays.
"""

from descend.optim.adam import Adam as Adam
from descend.optim.adam import AdamW as AdamW
from descend.optim.clipping import clip_grad_norm_ as clip_grad_norm_
from descend.optim.clipping import clip_grad_value_ as clip_grad_value_
from descend.optim.optimizer import Optimizer as Optimizer
from descend.optim.schedule import CosineAnnealingLR as CosineAnnealingLR
from descend.optim.schedule import LinearWarmup as LinearWarmup
from descend.optim.schedule import Schedule as Schedule
from descend.optim.schedule import StepLR as StepLR
from descend.optim.schedule import WarmupCosine as WarmupCosine
from descend.optim.sgd import SGD as SGD
