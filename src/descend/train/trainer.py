"""`Trainer`: the loop that trains a network, and all that is needed to go on with it later."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any

from descend import functions as F
from descend.functions import random
from descend.train.callback import Callback
from descend.train.evaluation import ACCURACY, evaluate, on_device
from descend.train.metrics import Means
from descend.train.steps import Metrics, Steps


class Trainer:
    """Trains a model on batches of pairs (x, t), epoch by epoch.

        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        trainer = Trainer(model, optim.Adam(model.parameters()), callbacks=[Progress()])
        trainer.fit(DataLoader(train, 32, shuffle=True), epochs=5, test=DataLoader(test, 256))

    ``loss(y, t)`` is the mean over a batch, and so is each of ``metrics`` (by name). ``schedule``
    is stepped after every update, so it counts updates, not epochs. The computation happens where
    the model's parameters are. ``callbacks`` are called between steps.

    With ``compile``, what is computed for a batch becomes native code when the first batch of its
    shape comes (`descend.compile`), on the CPU and where there is a compiler. Metrics that answer
    arrays are part of it, others are called after each batch. A model or a loss that cannot be
    recorded is trained as it is written, and a RuntimeWarning says why.

    `history` has a row (a dict) for each epoch: epoch, step, train_loss, train_<metric>,
    test_loss, test_<metric>, lr (of the epoch's last update), seconds (without the test).
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[[Any, Any], Any] = F.cross_entropy,
        *,
        schedule: Any = None,
        metrics: Metrics = ACCURACY,
        callbacks: Iterable[Callback] = (),
        compile: bool = True,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.schedule = schedule
        self.metrics = dict(metrics)
        self.callbacks = list(callbacks)
        self.steps = Steps(compile)
        self.loader: Any = None
        self.step = 0
        self.epoch = 0
        self.epochs = 0
        self.history: list[dict[str, Any]] = []
        self.stopping = False
        self._begin_epoch()

    def fit(self, loader: Iterable[Any], epochs: int, test: Any = None) -> list[dict[str, Any]]:
        """The history, when `epochs` epochs are complete (those of earlier calls count too).

        `stop` ends it earlier; called again, it goes on with the next batch, if the loader is a
        DataLoader. ``test`` is evaluated after each epoch.

        Raises FloatingPointError, and makes no update, where the loss is not finite; ValueError
        where there are no batches.
        """
        if epochs < 1:
            raise ValueError(f"fit: epochs is {epochs}, at least 1 is needed")
        if self.means.samples and not self.trained and hasattr(loader, "load_state_dict"):
            # A loop left after the epoch's last batch must find that epoch's end, not a new one.
            loader.load_state_dict(loader.state_dict())  # pyright: ignore
        self.loader, self.epochs = loader, epochs
        try:
            self._call("on_start")
            while self.epoch < epochs and not self.stopping:
                if not self.trained:
                    self._train_epoch()
                if self.trained:
                    self._complete_epoch(test)
            if self.epoch < epochs:
                self._call("on_stop")
        finally:
            self.stopping = False
            self._call("on_end")
        return self.history

    def stop(self) -> None:
        """Let `fit` return after the running step; for callbacks and signal handlers."""
        self.stopping = True

    def evaluate(self, loader: Iterable[Any]) -> dict[str, float]:
        """The mean loss and metrics over all samples of the batches; nothing is trained."""
        return evaluate(self.model, loader, self.loss, self.metrics, steps=self.steps)

    def state_dict(self) -> dict[str, Any]:
        """All that a new process needs to go on bit for bit: `load_state_dict` takes it.

        Bit for bit where NumPy's BLAS and compiled code run on as many threads: their number
        decides in which order is summed. And where both trainers compile, or neither does.
        """
        return {
            "step": self.step,
            "epoch": self.epoch,
            "trained": self.trained,
            "seconds": self.seconds,
            "lr": self.lr,
            "history": self.history,
            "means": self.means.state_dict(),
            "loader": self.loader.state_dict() if hasattr(self.loader, "state_dict") else None,
            "random": {name: rng.state_dict() for name, rng in self._generators().items()},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any], loader: Any = None) -> None:
        """Go on from where ``state`` was taken; ``loader`` is what `fit` is then called with.

        Sets the random generator of the whole process, too. Model, optimizer and schedule must be
        built as those that were saved.
        """
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if loader is not None and state["loader"] is not None:
            loader.load_state_dict(state["loader"])
        for name, rng in self._generators().items():
            rng.load_state_dict(state["random"][name])
        self.means.load_state_dict(state["means"])
        self.history = [dict(row) for row in state["history"]]
        self.step, self.epoch = state["step"], state["epoch"]
        self.trained, self.seconds, self.lr = state["trained"], state["seconds"], state["lr"]

    def _generators(self) -> dict[str, random.Generator]:
        """The default random generator, and those that modules have for themselves."""
        own = {name: getattr(module, "rng", None) for name, module in self.model.named_modules()}
        found = {name: rng for name, rng in own.items() if isinstance(rng, random.Generator)}
        return {"default": random.DEFAULT, **{f"of {name}": rng for name, rng in found.items()}}

    def _begin_epoch(self) -> None:
        self.means = Means()
        self.trained = False  # are all of this epoch's updates made?
        self.seconds = 0.0
        self.lr = 0.0

    def _train_epoch(self) -> None:
        self.model.train()
        before = perf_counter()
        for x, t in self.loader:
            self._train_step(on_device(self.model, x), on_device(self.model, t))
            now = perf_counter()
            self.seconds += now - before
            before = now
            self._call("on_step")
            if self.stopping:
                return
        if self.means.samples == 0:
            raise ValueError("fit: the loader has no batches, at least one is needed")
        self.trained = True

    def _train_step(self, x: Any, t: Any) -> None:
        model, optimizer = self.model, self.optimizer
        values = self.steps.gradients(model, optimizer, self.loss, self.metrics, x, t)
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(
                f"fit: the loss is {values['loss']} at step {self.step + 1} (epoch "
                f"{self.epoch + 1}): try a smaller lr, or find the operation with descend.debug()"
            )
        self.lr = optimizer.param_groups[0]["lr"].item()
        self.steps.update(model, optimizer)
        if self.schedule is not None:
            self.schedule.step()
        self.step += 1
        self.means.add(len(x), values)

    def _complete_epoch(self, test: Iterable[Any] | None) -> None:
        """Test and write the row; left undone where `stop` comes in between."""
        tested = {}
        if test is not None:
            stopped = lambda: self.stopping  # noqa: E731
            tested = evaluate(
                self.model, test, self.loss, self.metrics, stopped=stopped, steps=self.steps
            )
            if not tested:
                return
        row = {
            "epoch": self.epoch + 1,
            "step": self.step,
            **{f"train_{name}": value for name, value in self.means.values().items()},
            **{f"test_{name}": value for name, value in tested.items()},
            "lr": self.lr,
            "seconds": round(self.seconds, 3),
        }
        self.history.append(row)
        self.epoch += 1
        self._begin_epoch()
        self._call("on_epoch", row)

    def _call(self, moment: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(self, *arguments)
