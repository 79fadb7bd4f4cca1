"""One step of SGD with momentum on a small convolutional network, float32.

Input (32, 16, 32, 32): conv 16-32, norm, relu, conv 32-64, norm, relu, pool, conv 64-64, norm,
relu, mean over space, linear.
"""

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.standard_normal((32, 16, 32, 32)).astype(np.float32)
T = RNG.integers(0, 10, 32)
CHANNELS = ((16, 32), (32, 64), (64, 64))
WEIGHTS = [(RNG.standard_normal((b, a, 3, 3)) / (9 * a) ** 0.5).astype("f4") for a, b in CHANNELS]
LAST = (RNG.standard_normal((10, 64)) / 8).astype("f4")


def network(nn):
    """The layers but for the mean over space, in either framework's nn."""
    layers = []
    for i, (a, b) in enumerate(CHANNELS):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        if i == 1:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers), nn.Linear(64, 10)


def descend():
    import descend.functions as F
    from descend import nn, optim

    body, head = network(nn)
    convolutions = [layer for layer in body if isinstance(layer, nn.Conv2d)]
    for layer, weight in zip(convolutions, WEIGHTS, strict=True):
        layer.weight.data = weight.copy()
        layer.bias.data = np.zeros_like(layer.bias.data)
    head.weight.data, head.bias.data = LAST.copy(), np.zeros(10, np.float32)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = optim.SGD(parameters, lr=0.01, momentum=0.9)

    def step():
        loss = F.cross_entropy(head(body(X).mean(axis=(2, 3))), T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.data

    return step


def torch(torch):
    nn = torch.nn
    body, head = network(nn)
    convolutions = [layer for layer in body if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for layer, weight in zip(convolutions, WEIGHTS, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.zero_()
        head.weight.copy_(torch.from_numpy(LAST))
        head.bias.zero_()
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    x, t = torch.from_numpy(X), torch.from_numpy(T)

    def step():
        loss = nn.functional.cross_entropy(head(body(x).mean(dim=(2, 3))), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
