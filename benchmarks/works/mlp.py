"""One step of Adam on a 784-512-512-10 network, 128 samples, float32."""

from itertools import pairwise

import numpy as np

WIDTHS = (784, 512, 512, 10)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((128, WIDTHS[0])).astype(np.float32)
T = RNG.integers(0, WIDTHS[-1], 128)
WEIGHTS = [(RNG.standard_normal((b, a)) / a**0.5).astype(np.float32) for a, b in pairwise(WIDTHS)]


def descend():
    import descend.functions as F
    from descend import nn, optim

    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    for layer, weight in zip((model[0], model[2], model[4]), WEIGHTS, strict=True):
        layer.weight.data = weight.copy()
        layer.bias.data = np.zeros_like(layer.bias.data)
    optimizer = optim.Adam(model.parameters())

    def step():
        loss = F.cross_entropy(model(X), T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.data

    return step


def torch(torch):
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    with torch.no_grad():
        for layer, weight in zip((model[0], model[2], model[4]), WEIGHTS, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.zero_()
    optimizer = torch.optim.Adam(model.parameters())
    x, t = torch.from_numpy(X), torch.from_numpy(T)

    def step():
        loss = nn.functional.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
