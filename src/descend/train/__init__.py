"""Training a network, and keeping what came out of it.

Read in this order: `trainer` (the loop), `steps` (what is computed for a batch), `evaluation` (a
network in use) and `metrics`, `callback`, then its two callbacks `progress` and `checkpoint`. What
the command line adds: `models`, `recipe` (from settings to a trainer), `run` (the folder of a run),
`curve`, `log` and `interrupt`.
"""

from descend.train.callback import Callback as Callback
from descend.train.checkpoint import Checkpoint as Checkpoint
from descend.train.checkpoint import load_checkpoint as load_checkpoint
from descend.train.checkpoint import save_checkpoint as save_checkpoint
from descend.train.curve import draw_curve as draw_curve
from descend.train.evaluation import evaluate as evaluate
from descend.train.evaluation import probabilities as probabilities
from descend.train.interrupt import Interrupt as Interrupt
from descend.train.metrics import accuracy as accuracy
from descend.train.models import cnn as cnn
from descend.train.models import mlp as mlp
from descend.train.progress import Progress as Progress
from descend.train.trainer import Trainer as Trainer
