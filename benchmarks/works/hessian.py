"""The Hessian of the loss of mlp.py's network times a vector, float32."""

import numpy as np

from benchmarks.works import as_is, mlp, nothing
from benchmarks.works.mlp import BATCH, WEIGHTS, T, X

RNG = np.random.default_rng(1)
VECTOR = [
    RNG.standard_normal(shape).astype(np.float32) for w in WEIGHTS for shape in (w.shape, len(w))
]

TORCH_VARIANTS = {"backward twice": {}, "forward over backward": {"forward": True}}
"""PyTorch has two ways, and the better one counts."""


def descend(compile=as_is):
    import descend.functions as F
    from descend import gradients

    model = mlp.descend_network()
    parameters = list(model.parameters())

    def product(x, t, vector):
        loss = F.cross_entropy(model(x), t)
        gs = gradients(loss, parameters, create_graph=True)
        along = sum(F.sum(g * v) for g, v in zip(gs, vector, strict=True))
        return gradients(along, parameters)

    product = compile(product)
    return lambda: [part.data for part in product(X, T, VECTOR)], nothing


def torch(torch, compile=as_is, forward=False):
    model = mlp.torch_network(torch)
    x, t = torch.from_numpy(X), torch.from_numpy(T)
    vector = [torch.from_numpy(v) for v in VECTOR]
    parameters = list(model.parameters())
    names = [name for name, _ in model.named_parameters()]

    def loss_of(parameters):
        y = torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), (x,))
        return torch.nn.functional.cross_entropy(y, t)

    if forward:
        values = tuple(p.detach() for p in parameters)
        gradient = torch.func.grad(loss_of)
        product = compile(lambda values, vector: torch.func.jvp(gradient, (values,), (vector,))[1])
        return lambda: product(values, tuple(vector)), nothing

    loss_of = compile(loss_of)

    def step():
        gs = torch.autograd.grad(loss_of(parameters), parameters, create_graph=True)
        return torch.autograd.grad(gs, parameters, vector)

    return step, nothing


def jax(jax):
    params = mlp.jax_parameters(jax)
    x, t = jax.numpy.array(X), jax.numpy.array(T)
    vector = {name: jax.numpy.array(v) for name, v in zip(params, VECTOR, strict=True)}

    def product(params, vector, x, t):
        gradient = jax.grad(lambda p: mlp.jax_loss(jax, p, x, t))
        return jax.jvp(gradient, (params,), (vector,))[1]

    product = jax.jit(product)

    def step():
        parts = jax.block_until_ready(product(params, vector, x, t))
        return [parts[name] for name in params]

    return step, nothing


def limit():
    """By forward over backward: 3 products for the first layer, whose input has no derivative.

    For each other 8: forward, two of its derivative, two to the weights' gradient's, and for the
    inputs' gradient one and two. The weights and the vector are read, the product is written.
    """
    products = sum((3 if i == 0 else 8) * w.size for i, w in enumerate(WEIGHTS))
    return 2 * BATCH * products, 12 * sum(v.size for v in VECTOR) + X.nbytes
