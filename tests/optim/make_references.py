"""Write references.json: what PyTorch's optimizers and schedules do in 100 steps.

Run by hand, where PyTorch is installed: python tests/optim/make_references.py
"""

import json
from math import prod
from pathlib import Path

import torch  # noqa: TID251

OPTIMIZERS = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.99), "weight_decay": 0.5}),
]
SCHEDULES = [
    ("StepLR", {"step_size": 7, "gamma": 0.5}),
    ("CosineAnnealingLR", {"T_max": 60, "eta_min": 0.01}),
]
SHAPES = ((3, 4), (5,))
STEPS = 100
LOOKED_AT = (1, 2, 3, 10, 50, 100)


def run(name: str, options: dict) -> dict:
    """Both parameters after some of the steps; the second skips every third."""
    parameters = [
        torch.nn.Parameter(torch.linspace(-1, 1, prod(shape), dtype=torch.float64).reshape(shape))
        for shape in SHAPES
    ]
    optimizer = getattr(torch.optim, name)(parameters, **options)
    values = {}
    for step in range(1, STEPS + 1):
        for i, p in enumerate(parameters):
            p.grad = None if i == 1 and step % 3 == 0 else torch.sin(3 * p.detach() + step)
        optimizer.step()
        if step in LOOKED_AT:
            values[step] = [p.detach().ravel().tolist() for p in parameters]
    return values


def rates(name: str, options: dict) -> list[float]:
    """The learning rate before the first step and after each."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    values = schedule.get_last_lr()
    for _ in range(STEPS):
        optimizer.step()
        schedule.step()
        values += schedule.get_last_lr()
    return values


def main() -> None:
    """Write the file beside this one."""
    document = {
        "torch": torch.__version__,
        "optimizers": [
            {"name": name, "options": options, "values": run(name, options)}
            for name, options in OPTIMIZERS
        ],
        "schedules": [
            {"name": name, "options": options, "values": rates(name, options)}
            for name, options in SCHEDULES
        ],
    }
    text = json.dumps(document, indent=None).replace('{"name"', '\n{"name"')
    Path(__file__).with_name("references.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
