"""An LSTM 64 -> 128 over 50 steps, 16 sequences, float32, forward and backward.

The gradients of all weights and of the input, where the gradient of every output is given. The
gates stand in PyTorch's order: input, forget, cell, output.
"""

import numpy as np

from benchmarks.works import as_is, nothing

STEPS, BATCH, INPUTS, HIDDEN = 50, 16, 64, 128
RNG = np.random.default_rng(0)
X = RNG.standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
GY = RNG.standard_normal((STEPS, BATCH, HIDDEN)).astype(np.float32)
SHAPES = ((4 * HIDDEN, INPUTS), (4 * HIDDEN, HIDDEN), (4 * HIDDEN,), (4 * HIDDEN,))
WEIGHTS = [
    RNG.uniform(-1, 1, shape).astype(np.float32) / np.float32(HIDDEN**0.5) for shape in SHAPES
]


def descend(compile=as_is):
    import descend.functions as F
    from descend import Variable, gradients, nn

    lstm = nn.LSTM(INPUTS, HIDDEN)
    for parameter, weight in zip(lstm.parameters(), WEIGHTS, strict=True):
        parameter.data = weight.copy()

    def differentiate(x, gy):
        x = Variable(x)
        y, _ = lstm(x)
        return gradients(F.sum(y * gy), [*lstm.parameters(), x])

    differentiate = compile(differentiate)
    return lambda: [g.data for g in differentiate(X, GY)], nothing


def torch(torch, compile=as_is):
    lstm = torch.nn.LSTM(INPUTS, HIDDEN)
    with torch.no_grad():
        for parameter, weight in zip(lstm.parameters(), WEIGHTS, strict=True):
            parameter.copy_(torch.from_numpy(weight))
    x, gy = torch.from_numpy(X).requires_grad_(), torch.from_numpy(GY)
    wanted = [*lstm.parameters(), x]
    # PyTorch's compiler calls its LSTM as it is. With torch._dynamo.config.allow_rnn it unrolls it,
    # which took three minutes to compile and was slower.
    forward = compile(lambda x: lstm(x)[0])
    return lambda: torch.autograd.grad(forward(x), wanted, gy), nothing


def jax(jax):
    jnp = jax.numpy
    weights, x, gy = [jnp.array(w) for w in WEIGHTS], jnp.array(X), jnp.array(GY)

    def forward(weights, x):
        w_ih, w_hh, b_ih, b_hh = weights

        def cell(carry, inputs):
            h, c = carry
            i, f, g, o = jnp.split(inputs + h @ w_hh.T + b_hh, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((BATCH, HIDDEN), "float32")
        return jax.lax.scan(cell, (zeros, zeros), x @ w_ih.T + b_ih)[1]

    def differentiate(weights, x, gy):
        gw, gx = jax.vjp(forward, weights, x)[1](gy)
        return [*gw, gx]

    differentiate = jax.jit(differentiate)
    return lambda: jax.block_until_ready(differentiate(weights, x, gy)), nothing


def limit():
    """Forward, to the weights, to the inputs; what the cells keep is written and read once."""
    products = 3 * STEPS * BATCH * 4 * HIDDEN * (INPUTS + HIDDEN)
    kept = STEPS * BATCH * 6 * HIDDEN  # four gates, c and h
    moved = 2 * kept + 2 * X.size + GY.size + 3 * sum(w.size for w in WEIGHTS)
    return 2 * products, 4 * moved
