"""The prices of 1,000,000 call options summed, float32, and the gradient of the sum.

The gradient is to the spot price, the volatility and the time of every option. Black and Scholes,
1973, https://doi.org/10.1086/260062.
"""

import numpy as np

from benchmarks.works import as_is, nothing

OPTIONS, RATE = 1_000_000, 0.02
RNG = np.random.default_rng(0)
RANGES = ((80, 120), (80, 120), (0.1, 0.5), (0.25, 2))  # spot, strike, volatility, time
DATA = [RNG.uniform(low, high, OPTIONS).astype(np.float32) for low, high in RANGES]


def prices(xp, erf, spot, strike, volatility, time):
    """The price of each option, for any framework's functions."""
    deviation = volatility * xp.sqrt(time)
    d1 = (xp.log(spot / strike) + (RATE + 0.5 * volatility * volatility) * time) / deviation
    d2 = d1 - deviation

    def below(d):
        return 0.5 + 0.5 * erf(d * 0.5**0.5)

    return spot * below(d1) - strike * xp.exp(-RATE * time) * below(d2)


def descend(compile=as_is):
    import descend.functions as F
    from descend import Variable, gradients

    def differentiate(spot, strike, volatility, time):
        spot, volatility, time = Variable(spot), Variable(volatility), Variable(time)
        total = F.sum(prices(F, F.erf, spot, strike, volatility, time))
        return [total, *gradients(total, [spot, volatility, time])]

    differentiate = compile(differentiate)
    return lambda: [part.data for part in differentiate(*DATA)], nothing


def torch(torch, compile=as_is):
    spot, strike, volatility, time = (torch.from_numpy(x) for x in DATA)
    inputs = [x.requires_grad_() for x in (spot, volatility, time)]
    total_of = compile(
        lambda spot, volatility, time: prices(
            torch, torch.erf, spot, strike, volatility, time
        ).sum()
    )

    def step():
        total = total_of(*inputs)
        return [total.detach(), *torch.autograd.grad(total, inputs)]

    return step, nothing


def jax(jax):
    spot, strike, volatility, time = (jax.numpy.array(x) for x in DATA)

    def total_of(spot, volatility, time, strike):
        return prices(jax.numpy, jax.lax.erf, spot, strike, volatility, time).sum()

    differentiate = jax.jit(jax.value_and_grad(total_of, argnums=(0, 1, 2)))

    def step():
        total, grads = jax.block_until_ready(differentiate(spot, volatility, time, strike))
        return [total, *grads]

    return step, nothing


def limit():
    """Four arrays read, three written."""
    return 0, 7 * DATA[0].nbytes
