"""One step of gradient descent on Rosenbrock's function of two 0-d float64 values."""

import numpy as np

from benchmarks.works import as_is

X, Y, LR = -1.2, 1.0, 1e-3


def rosenbrock(x, y):
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


def descend(compile=as_is):
    from descend import Variable

    x, y = Variable(np.array(X)), Variable(np.array(Y))

    def descend():
        value = rosenbrock(x, y)
        x.cleargrad()
        y.cleargrad()
        value.backward()
        x.data -= LR * x.grad.data
        y.data -= LR * y.grad.data
        return value

    descend = compile(descend)
    return lambda: descend().data, lambda: {"x": np.array(x.data), "y": np.array(y.data)}


def torch(torch, compile=as_is):
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    y = torch.tensor(Y, dtype=torch.float64, requires_grad=True)
    value_of = compile(rosenbrock)

    def step():
        value = value_of(x, y)
        x.grad = y.grad = None
        value.backward()
        with torch.no_grad():
            x.sub_(x.grad, alpha=LR)
            y.sub_(y.grad, alpha=LR)
        return value.detach()

    return step, lambda: {"x": x.detach().numpy().copy(), "y": y.detach().numpy().copy()}


def jax(jax):
    jax.config.update("jax_enable_x64", True)

    def descend(x, y):
        value, (gx, gy) = jax.value_and_grad(rosenbrock, argnums=(0, 1))(x, y)
        return value, x - LR * gx, y - LR * gy

    descend = jax.jit(descend)
    x, y = jax.numpy.float64(X), jax.numpy.float64(Y)

    def step():
        nonlocal x, y
        value, x, y = descend(x, y)
        return jax.block_until_ready(value)

    return step, lambda: {"x": np.array(x), "y": np.array(y)}


def limit():
    return 0, 0
