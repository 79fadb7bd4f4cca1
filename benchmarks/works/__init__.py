"""One piece of work a file, written once for each framework.

`descend()`, `torch(torch)`, `jax(jax)` and `autograd(autograd)` each return two functions. `step()`
is one whole pass (forward, backward, update where there is one) and returns what it computed: a
loss, or gradients. `weights()` returns what the steps changed so far, by name, as NumPy arrays. All
frameworks start from the same numbers.

Where a framework can compile, ``compile`` is what it compiles with. `limit()` says what no program
can leave out: multiplications and additions of matrix products and convolutions, and bytes that
must pass through memory.
"""


def as_is(function):
    """Stands for ``compile`` where nothing is compiled."""
    return function


def nothing():
    """The weights of a work that changes none."""
    return {}
