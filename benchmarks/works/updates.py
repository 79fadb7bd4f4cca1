"""The optimizers' updates for JAX, which has none: trees of arrays in, trees of arrays out."""


def adam(jax, params, grads, state, lr=1e-3, decay=0.0):
    """Adam as PyTorch defines it; with ``decay`` AdamW."""
    step, means, squares = state
    step = step + 1
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, grads)
    squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, grads)
    rate = lr / (1 - 0.9**step)
    root = (1 - 0.999**step) ** 0.5

    def update(p, m, v):
        return p * (1 - lr * decay) - rate * m / (v**0.5 / root + 1e-8)

    return jax.tree.map(update, params, means, squares), (step, means, squares)


def adam_state(jax, params):
    """The state of `adam` before the first step; two trees, as donated arrays must differ."""
    zeros = [jax.tree.map(jax.numpy.zeros_like, params) for _ in range(2)]
    return jax.numpy.float32(0), *zeros


def momentum(jax, params, grads, velocities, lr, momentum):
    """SGD with momentum as PyTorch defines it."""
    velocities = jax.tree.map(lambda v, g: momentum * v + g, velocities, grads)
    return jax.tree.map(lambda p, v: p - lr * v, params, velocities), velocities
