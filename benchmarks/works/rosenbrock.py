"""Rosenbrock's function of two 0-d float64 values, with its gradient."""

import numpy as np

from benchmarks.works import nothing

X, Y = 1.3, 2.0


def descend():
    from descend import Variable

    x, y = Variable(np.array(X)), Variable(np.array(Y))

    def step():
        x.cleargrad()
        y.cleargrad()
        (100 * (y - x**2) ** 2 + (1 - x) ** 2).backward()
        return x.grad.data, y.grad.data

    return step, nothing


def torch(torch):
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    y = torch.tensor(Y, dtype=torch.float64, requires_grad=True)

    def step():
        x.grad = y.grad = None
        (100 * (y - x**2) ** 2 + (1 - x) ** 2).backward()
        return x.grad, y.grad

    return step, nothing


def autograd(autograd):
    gradient = autograd.value_and_grad(
        lambda x, y: 100 * (y - x**2) ** 2 + (1 - x) ** 2, argnum=(0, 1)
    )
    x, y = np.array(X), np.array(Y)
    return lambda: gradient(x, y)[1], nothing


def jax(jax):
    jax.config.update("jax_enable_x64", True)
    gradient = jax.jit(jax.grad(lambda x, y: 100 * (y - x**2) ** 2 + (1 - x) ** 2, argnums=(0, 1)))
    x, y = jax.numpy.float64(X), jax.numpy.float64(Y)
    return lambda: jax.block_until_ready(gradient(x, y)), nothing
