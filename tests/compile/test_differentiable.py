"""A compiled function as a node of the graph: its derivatives of every order are eager mode's."""

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Parameter, Variable, gradients, nn


def derivatives(function, xs, order, weights=None):
    """Values, and the gradients of a weighted sum of the last ones, ``order`` times."""
    ys = function(*xs)
    ys = [y for y in (ys if isinstance(ys, (list, tuple)) else [ys]) if y.requires_grad]
    found = [[y.data for y in ys]]
    targets = [x for x in (*xs, *(weights or ())) if isinstance(x, Variable) and x.requires_grad]
    for k in range(order):
        total = sum((y * y * 0.5 + F.sin(y)).sum() for y in ys)
        ys = gradients(total, targets, create_graph=k + 1 < order, allow_unused=True)
        found.append([None if y is None else y.data for y in ys])
        ys = [y for y in ys if y is not None and y.requires_grad]
        if not ys:
            break
    return found


def check(close, function, *arrays, order=3, weights=(), scale=10):
    """Assert that all derivatives up to ``order`` are the same, in two calls."""
    compiled = descend.compile(function)
    for i in range(2):
        left = [Variable(x + i) if x.dtype.kind == "f" else x for x in arrays]
        right = [Variable(x + i) if x.dtype.kind == "f" else x for x in arrays]
        descend.seed(i)
        expected = derivatives(function, left, order, weights)
        descend.seed(i)
        got = derivatives(compiled, right, order, weights)
        assert len(got) == len(expected)
        for k, (some, others) in enumerate(zip(got, expected, strict=True)):
            for a, b in zip(some, others, strict=True):
                assert (a is None) == (b is None), f"derivative {k}"
                if a is not None:
                    close(a, b, f"call {i}, derivative {k}", scale)
    return compiled


rng = np.random.default_rng(0)
X = rng.standard_normal((4, 3))
Y = rng.standard_normal(3)

FUNCTIONS = {
    "elements": lambda x, y: F.exp(-x * x) * F.sin(x + y) + y**3,
    "product": lambda x, y: F.tanh(F.matmul(x, F.transpose(x))) @ x * y,
    "several": lambda x, y: [F.softmax(x * y), F.sum(x * x, axis=0), F.log(1 + x * x)],
    "branches": lambda x, y: F.where(x > y, x * x, F.exp(x)) + F.maximum(x, y) ** 2,
    "views": lambda x, y: F.concatenate([x[::-1, 1:], F.transpose(x)[:2].reshape(4, -1)[:, :1]], 1),
    "norm": lambda x, y: F.layer_norm(x, (3,), y, y * 2),
    "loss": lambda x, y: F.cross_entropy(x * y, np.array([0, 2, 1, 1])),
    "input": lambda x, y: [x, y * 1, x + 0],
    "unused": lambda x, y: F.exp(x),
    "constant": lambda x, y: [Variable(np.ones(3)) * 2, x * 2],
    "detached": lambda x, y: x * F.stop_gradient(F.exp(x * y)) + y,
    "twice": lambda x, y: [x * y] * 2,
    "gradient": lambda x, y: gradients(F.sum(x**3 * y), [x], create_graph=True)[0] * 2,
    "variance": lambda x, y: F.var(x, axis=0) * F.std(x * y, axis=0),
    "indexed": lambda x, y: F.getitem(x, np.array([1, 1, 3])) * y,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_three_derivatives(close, name):
    check(close, FUNCTIONS[name], X, Y)


@pytest.mark.parametrize("name", ["elements", "product", "several", "norm", "loss"])
def test_three_derivatives_in_float32(close, name):
    check(close, FUNCTIONS[name], X.astype(np.float32), Y.astype(np.float32), scale=200)


def test_variables_that_the_function_has(close):
    w, b = Parameter(rng.standard_normal((3, 3))), Parameter(rng.standard_normal(3))
    constant = Variable(rng.standard_normal(3), requires_grad=False)

    def function(x):
        return F.tanh(x @ w + b) * constant

    check(close, function, X, weights=(w, b))


def test_a_variable_that_is_an_argument_too(close):
    w = Parameter(rng.standard_normal(3))
    compiled, eager = descend.compile(lambda x: x * w * w), lambda x: x * w * w
    for other in (w, Variable(w.data.copy()), w):
        got = derivatives(compiled, [other], 2, [] if other is w else [w])
        expected = derivatives(eager, [other], 2, [] if other is w else [w])
        for some, others in zip(got, expected, strict=True):
            for a, b in zip(some, others, strict=True):
                close(a, b)


def test_one_variable_for_two_arguments(close):
    def function(x, y):
        return x * F.exp(y)

    compiled = descend.compile(function)
    x = Variable(Y.copy())
    for some, others in zip(
        derivatives(compiled, [x, x], 3), derivatives(function, [x, x], 3), strict=True
    ):
        for a, b in zip(some, others, strict=True):
            close(a, b)
    check(close, function, Y, Y + 1)  # and two for two


def test_dropout_inside(close):
    w = Parameter(rng.standard_normal((3, 20)))
    check(close, lambda x: F.tanh(F.dropout(x @ w, 0.4)) ** 2, X, weights=(w,))


def test_batch_norm_inside(close):
    model = nn.Sequential(nn.Linear(3, 4, dtype=np.float64), nn.BatchNorm1d(4, dtype=np.float64))
    twin = nn.Sequential(nn.Linear(3, 4, dtype=np.float64), nn.BatchNorm1d(4, dtype=np.float64))
    twin.load_state_dict(model.state_dict())
    compiled = descend.compile(lambda x: F.tanh(twin(x)))
    for i in range(3):
        x = X + i * Y
        got = derivatives(compiled, [Variable(x)], 3, list(twin.parameters()))
        expected = derivatives(
            lambda x: F.tanh(model(x)), [Variable(x)], 3, list(model.parameters())
        )
        for k, (some, others) in enumerate(zip(got, expected, strict=True)):
            for a, b in zip(some, others, strict=True):
                largest = max(1, np.abs(b).max())
                np.testing.assert_allclose(a, b, 1e-7, 1e-7 * largest, err_msg=f"derivative {k}")
        for a, b in zip(twin.buffers(), model.buffers(), strict=True):
            close(a.data, b.data)


def test_state_that_the_function_changes(close):
    def run(change):
        scale = Variable(np.full(3, 2.0), requires_grad=False)

        @change
        def function(x):
            y = x * scale.data + F.exp(x * scale)
            scale.data = scale.data + 1
            return y * scale.data

        x = Variable(Y.copy())
        first, second = function(x), function(x)
        results = [first.data, second.data, scale.data.copy()]
        for y in (second, first):
            (gx,) = gradients(y.sum(), [x], create_graph=True)
            (ggx,) = gradients(gx.sum(), [x])
            results += [gx.data, ggx.data]
        x.cleargrad()
        third, fourth = function(x), function(x)
        for y in (third, fourth):
            y.sum().backward()
            results.append(x.grad.data.copy())
        return results + [scale.data]

    for a, b in zip(run(descend.compile), run(lambda f: f), strict=True):
        close(a, b)


def test_the_weights_change_between_forward_and_backward(close):
    """As in eager mode where data is rebound: the gradient is that of the old weights."""

    def run(change):
        w = Parameter(Y.copy())
        function = change(lambda x: F.exp(x * w))
        x = Variable(X.copy())
        y = function(x)
        w.data = w.data + 1
        z = function(x)
        y.sum().backward()
        first = x.grad.data.copy(), w.grad.data.copy()
        z.sum().backward()
        return [*first, x.grad.data, w.grad.data]

    for a, b in zip(run(descend.compile), run(lambda f: f), strict=True):
        close(a, b)


class NoRule(descend.Function):
    def forward(self, x):
        return x * 2


def test_a_function_that_has_no_derivative(close):
    compiled = descend.compile(lambda x: NoRule()(x) + 1)
    x = Variable(X.copy())
    y = compiled(x)
    close(y.data, X * 2 + 1)
    with pytest.raises(NotImplementedError, match="there is no derivative"):
        y.sum().backward()
    with pytest.raises(NotImplementedError, match="there is no derivative"):
        y.sum().backward(create_graph=True)


def test_backward_of_two_calls_in_either_order(close):
    def function(x):
        return F.sin(x * x)

    compiled = descend.compile(function)
    for order in (1, -1):
        xs = [Variable(X * k) for k in (1, 2, 3)]
        ys = [compiled(x) for x in xs]
        for x, y in [*zip(xs, ys, strict=True)][::order]:
            y.sum().backward()
            close(x.grad.data, 2 * x.data * np.cos(x.data**2))


def test_backward_twice(close):
    x = Variable(X.copy())
    y = descend.compile(lambda x: F.exp(x))(x).sum()
    y.backward()
    y.backward()
    close(x.grad.data, 2 * np.exp(X))


def test_gradients_accumulate_through_backward(close):
    w = Parameter(Y.copy())
    compiled = descend.compile(lambda x: (x * w).sum())
    for _ in range(3):
        compiled(X).backward()
    close(w.grad.data, 3 * X.sum(0))


def test_eager_before_and_after(close):
    compiled = descend.compile(lambda x: F.tanh(x) * 2)
    x, twin = Variable(X.copy()), Variable(X.copy())
    for v, f in ((x, compiled), (twin, lambda x: F.tanh(x) * 2)):
        F.mean(F.exp(f(f(v * 2) + v))).backward(create_graph=True)
        gx, v.grad = v.grad, None
        F.sum(gx * gx).backward()
    close(x.grad.data, twin.grad.data)


def test_a_gradient_to_something_in_between(close):
    x = Variable(X.copy())
    h = x * 2
    y = descend.compile(lambda h: F.exp(h) + h)(h)
    (gh,) = gradients(y.sum(), [h])
    close(gh.data, np.exp(h.data) + 1)


def test_something_computed_outside_that_the_function_has(close):
    w = Variable(Y.copy())
    h = w * w
    compiled = descend.compile(lambda x: x * h)
    y = compiled(X)
    y.sum().backward()
    close(w.grad.data, 2 * w.data * X.sum(0))
    (gw,) = gradients(compiled(X).sum(), [w], create_graph=True)
    (ggw,) = gradients(gw.sum(), [w])
    close(ggw.data, 2 * X.sum(0))


def test_only_what_is_asked_for_has_a_gradient(close):
    x, y = Variable(X.copy()), Variable(Y.copy(), requires_grad=False)
    compiled = descend.compile(lambda x, y: [x * y, y + 1])
    a, b = compiled(x, y)
    assert a.requires_grad and not b.requires_grad
    a.sum().backward()
    assert y.grad is None
    close(x.grad.data, np.broadcast_to(Y, X.shape))
    with descend.no_grad():
        assert not compiled(x, y)[0].requires_grad


def test_outputs_that_are_not_used(close):
    x = Variable(X.copy())
    _a, b, c = descend.compile(lambda x: [F.exp(x), x.argmax(axis=1), F.sin(x)])(x)
    c.sum().backward()
    close(x.grad.data, np.cos(X))
    assert isinstance(b, np.ndarray)


def test_inside_the_step_of_another(alike):
    inner = descend.compile(lambda x, w: F.tanh(x @ w))

    def make():
        w = Parameter(np.full((3, 3), 0.1), "w")

        def step(x):
            loss = F.mean(inner(inner(x, w), w) ** 2)
            w.cleargrad()
            loss.backward()
            w.data = w.data - w.grad.data
            return loss.detach()

        return step, [w]

    alike(make, (X,), (2 * X,))


def test_a_hessian_vector_product(close):
    w = Parameter(rng.standard_normal((3, 3)))

    def product(x, v):
        loss = F.sum(F.tanh(x @ w) ** 2)
        (g,) = gradients(loss, [w], create_graph=True)
        (h,) = gradients((g * v).sum(), [w])
        return h

    v = rng.standard_normal((3, 3))
    close(descend.compile(product)(X, v).data, product(X, v).data)


def test_strided_gradients(close):
    x = Variable(X.copy())
    y = descend.compile(lambda x: F.exp(x))(x)
    seed = np.ones((3, 4)).T[:, ::-1]
    (gx,) = gradients(y, [x], [seed * 2])
    close(gx.data, np.exp(X) * 2)
    (gx,) = gradients(y, [x], [np.broadcast_to(2.0, X.shape)])
    close(gx.data, np.exp(X) * 2)


def test_a_strided_argument_that_comes_twice(close):
    base = rng.standard_normal((6, 4))
    x = Variable(base[::2].T)
    compiled = descend.compile(lambda x: F.exp(x))
    first = compiled(x)
    x.data = base[1::2].T
    second = compiled(x)
    (gx,) = gradients(first.sum(), [x])
    close(gx.data, first.data)
    (gx,) = gradients(second.sum(), [x])
    close(gx.data, second.data)
