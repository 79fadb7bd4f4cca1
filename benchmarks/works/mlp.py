"""One step of Adam on a 784-512-512-10 network, 128 samples, float32."""

from itertools import pairwise

import numpy as np

from benchmarks.works import as_is, updates

WIDTHS = (784, 512, 512, 10)
BATCH = 128
RNG = np.random.default_rng(8)  # a seed with no unit so near 0 that rounding decides its relu
X = RNG.standard_normal((BATCH, WIDTHS[0])).astype(np.float32)
T = RNG.integers(0, WIDTHS[-1], BATCH)
WEIGHTS = [(RNG.standard_normal((b, a)) / a**0.5).astype(np.float32) for a, b in pairwise(WIDTHS)]


def network(nn):
    """The network, in either framework's nn."""
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def descend_network():
    """The network with the weights that all begin with."""
    from descend import nn

    model = network(nn)
    for layer, weight in zip((model[0], model[2], model[4]), WEIGHTS, strict=True):
        layer.weight.data = weight.copy()
        layer.bias.data = np.zeros_like(layer.bias.data)
    return model


def torch_network(torch):
    """The same in PyTorch."""
    model = network(torch.nn)
    with torch.no_grad():
        for layer, weight in zip((model[0], model[2], model[4]), WEIGHTS, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.zero_()
    return model


def jax_parameters(jax):
    """The same as a tree of arrays, by PyTorch's names."""
    params = {}
    for layer, weight in zip((0, 2, 4), WEIGHTS, strict=True):
        params[f"{layer}.weight"] = jax.numpy.array(weight)
        params[f"{layer}.bias"] = jax.numpy.zeros(len(weight), "float32")
    return params


def jax_loss(jax, params, x, t):
    """The loss of the network that `jax_parameters` describes."""
    for layer in (0, 2, 4):
        x = x @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]
        x = jax.nn.relu(x) if layer < 4 else x
    picked = jax.numpy.take_along_axis(jax.nn.log_softmax(x), t[:, None], axis=1)
    return -picked.mean()


def descend(compile=as_is):
    import descend.functions as F
    from descend import optim

    model = descend_network()
    optimizer = optim.Adam(model.parameters())

    def train(x, t):
        loss = F.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train = compile(train)
    return lambda: train(X, T).data, model.state_dict


def torch(torch, compile=as_is):
    model = torch_network(torch)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, t = torch.from_numpy(X), torch.from_numpy(T)
    loss_of = compile(lambda x, t: torch.nn.functional.cross_entropy(model(x), t))

    def step():
        loss = loss_of(x, t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, lambda: {name: p.numpy().copy() for name, p in model.state_dict().items()}


def jax(jax):
    params = jax_parameters(jax)
    state = updates.adam_state(jax, params)
    x, t = jax.numpy.array(X), jax.numpy.array(T)

    def train(params, state, x, t):
        loss, grads = jax.value_and_grad(lambda p: jax_loss(jax, p, x, t))(params)
        return loss, *updates.adam(jax, params, grads, state)

    train = jax.jit(train, donate_argnums=(0, 1))

    def step():
        nonlocal params, state
        loss, params, state = train(params, state, x, t)
        return jax.block_until_ready(loss)

    return step, lambda: {name: np.array(p) for name, p in params.items()}


def limit():
    """Each layer's products: forward, to its weights, and, but for the first, to its input.

    Adam reads and writes a parameter and its two means.
    """
    products = sum((2 + (i > 0)) * w.size for i, w in enumerate(WEIGHTS))
    numbers = sum(w.size + len(w) for w in WEIGHTS)
    return 2 * BATCH * products, 24 * numbers + X.nbytes
