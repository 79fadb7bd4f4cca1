"""One step of SGD with momentum on a small convolutional network, float32.

Input (32, 16, 32, 32): conv 16-32, norm, relu, conv 32-64, norm, relu, pool, conv 64-64, norm,
relu, mean over space, linear.
"""

import numpy as np

from benchmarks.works import as_is, updates

BATCH, SIZE = 32, 32
CHANNELS = ((16, 32), (32, 64), (64, 64))
LR, MOMENTUM = 0.01, 0.9

TORCH_VARIANTS = {"": {}, "channels-last": {"channels_last": True}}
"""PyTorch is timed in both layouts, and the better one counts."""


def data(batch):
    """Input, target, weights of the convolutions, and weights of the last layer."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, CHANNELS[0][0], SIZE, SIZE)).astype(np.float32)
    t = rng.integers(0, 10, batch)
    weights = [
        (rng.standard_normal((b, a, 3, 3)) / (9 * a) ** 0.5).astype("f4") for a, b in CHANNELS
    ]
    return x, t, weights, (rng.standard_normal((10, 64)) / 8).astype("f4")


def network(nn):
    """The layers but for the mean over space, in either framework's nn."""
    layers = []
    for i, (a, b) in enumerate(CHANNELS):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        if i == 1:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers), nn.Linear(64, 10)


def descend(compile=as_is, batch=BATCH):
    import descend.functions as F
    from descend import nn, optim

    X, T, weights, last = data(batch)
    body, head = network(nn)
    convolutions = [layer for layer in body if isinstance(layer, nn.Conv2d)]
    for layer, weight in zip(convolutions, weights, strict=True):
        layer.weight.data = weight.copy()
        layer.bias.data = np.zeros_like(layer.bias.data)
    head.weight.data, head.bias.data = last.copy(), np.zeros(10, np.float32)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = optim.SGD(parameters, lr=LR, momentum=MOMENTUM)

    def train(x, t):
        loss = F.cross_entropy(head(body(x).mean(axis=(2, 3))), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train = compile(train)
    return lambda: train(X, T).data, lambda: _named(body.state_dict(), head.state_dict())


def torch(torch, compile=as_is, batch=BATCH, channels_last=False):
    nn = torch.nn
    X, T, weights, last = data(batch)
    body, head = network(nn)
    convolutions = [layer for layer in body if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for layer, weight in zip(convolutions, weights, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.zero_()
        head.weight.copy_(torch.from_numpy(last))
        head.bias.zero_()
    x, t = torch.from_numpy(X), torch.from_numpy(T)
    if channels_last:
        body = body.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=LR, momentum=MOMENTUM, fused=True)
    loss_of = compile(lambda x, t: nn.functional.cross_entropy(head(body(x).mean(dim=(2, 3))), t))

    def step():
        loss = loss_of(x, t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, lambda: _named(body.state_dict(), head.state_dict())


def jax(jax, batch=BATCH):
    jnp = jax.numpy
    X, T, weights, last = data(batch)
    x, t = jnp.array(X.transpose(0, 2, 3, 1)), jnp.array(T)
    params, running = {}, {}
    for i, (weight, (_, b)) in enumerate(zip(weights, CHANNELS, strict=True)):
        params[f"conv{i}"] = jnp.array(weight.transpose(2, 3, 1, 0)), jnp.zeros(b, "f4")
        params[f"norm{i}"] = jnp.ones(b, "f4"), jnp.zeros(b, "f4")
        running[f"norm{i}"] = jnp.zeros(b, "f4"), jnp.ones(b, "f4")
    params["head"] = jnp.array(last), jnp.zeros(10, "f4")
    velocities = jax.tree.map(jnp.zeros_like, params)

    def loss_of(params, running, x, t):
        after = {}
        for i in range(len(CHANNELS)):
            kernel, bias = params[f"conv{i}"]
            x = bias + jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            scale, shift = params[f"norm{i}"]
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            x = jax.nn.relu((x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift)
            count = x.size // x.shape[-1]
            after[f"norm{i}"] = (
                0.9 * running[f"norm{i}"][0] + 0.1 * mean,
                0.9 * running[f"norm{i}"][1] + 0.1 * variance * count / (count - 1),
            )
            if i == 1:
                x = jax.lax.reduce_window(
                    x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
                )
        weight, bias = params["head"]
        logs = jax.nn.log_softmax(x.mean((1, 2)) @ weight.T + bias)
        return -jnp.take_along_axis(logs, t[:, None], axis=1).mean(), after

    def train(params, running, velocities, x, t):
        (loss, running), grads = jax.value_and_grad(loss_of, has_aux=True)(params, running, x, t)
        params, velocities = updates.momentum(jax, params, grads, velocities, LR, MOMENTUM)
        return loss, params, running, velocities

    train = jax.jit(train, donate_argnums=(0, 1, 2))

    def step():
        nonlocal params, running, velocities
        loss, params, running, velocities = train(params, running, velocities, x, t)
        return jax.block_until_ready(loss)

    def reached():
        named = {}
        for i, place in enumerate((0, 3, 7)):
            kernel, bias = params[f"conv{i}"]
            named[f"{place}.weight"] = np.array(kernel).transpose(3, 2, 0, 1)
            named[f"{place}.bias"] = np.array(bias)
            keys = ("weight", "bias", "running_mean", "running_var")
            values = (*params[f"norm{i}"], *running[f"norm{i}"])
            named |= {f"{place + 1}.{k}": np.array(v) for k, v in zip(keys, values, strict=True)}
        weight, bias = params["head"]
        return named | {"head.weight": np.array(weight), "head.bias": np.array(bias)}

    return step, reached


def _named(body, head):
    """The state of both parts as arrays; how many batches were seen is not part of it."""
    named = {**body, **{f"head.{name}": value for name, value in head.items()}}
    return {k: np.array(v) for k, v in named.items() if not k.endswith("num_batches_tracked")}


def limit(batch=BATCH):
    """Convolutions as products: forward, to their weights, and, but for the first, to their input.

    The output of each goes to memory and comes back twice, forward when the batch's mean is known
    and backward; its gradient goes and comes back once, as its norm sums over the batch too.
    """
    operations = moved = 0
    for i, (a, b) in enumerate(CHANNELS):
        pixels = batch * SIZE**2 // (4 if i == 2 else 1)
        operations += 2 * (2 + (i > 0)) * pixels * 9 * a * b
        moved += 4 * 5 * pixels * b
    return operations, moved + 4 * batch * CHANNELS[0][0] * SIZE**2
