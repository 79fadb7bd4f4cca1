"""50 sines of 10 float64 elements, one after the other, with the gradient of their sum."""

import numpy as np

from benchmarks.works import nothing

X = np.linspace(-1, 1, 10)
LENGTH = 50


def descend():
    import descend.functions as F
    from descend import Variable

    x = Variable(X)

    def step():
        x.cleargrad()
        y = x
        for _ in range(LENGTH):
            y = F.sin(y)
        y.sum().backward()
        return x.grad.data

    return step, nothing


def torch(torch):
    x = torch.tensor(X, requires_grad=True)

    def step():
        x.grad = None
        y = x
        for _ in range(LENGTH):
            y = torch.sin(y)
        y.sum().backward()
        return x.grad

    return step, nothing


def autograd(autograd):
    import autograd.numpy as anp

    def chain(x):
        for _ in range(LENGTH):
            x = anp.sin(x)
        return anp.sum(x)

    gradient = autograd.value_and_grad(chain)
    return lambda: gradient(X)[1], nothing


def jax(jax):
    def chain(x):
        for _ in range(LENGTH):
            x = jax.numpy.sin(x)
        return x.sum()

    gradient = jax.jit(jax.grad(chain))
    x = jax.numpy.asarray(X)
    return lambda: jax.block_until_ready(gradient(x)), nothing
