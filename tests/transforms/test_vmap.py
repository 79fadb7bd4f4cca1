"""Many examples at once: the same as one after the other, for every operation."""

import re

import numpy as np
import pytest

import descend.functions as F
from descend import Variable, grad, hessian, jacobian, jvp, vjp, vmap
from descend.functions.registry import OPERATIONS
from descend.testing.call import Call
from descend.transforms import batching

EXAMPLES = 3
RNG = np.random.default_rng(0)


def deterministic(sample):
    return "rng" not in sample.params and not sample.params.get("training")


CASES = [
    pytest.param(operation, sample, id=f"{operation.name}-{i}")
    for operation in OPERATIONS.values()
    for i, sample in enumerate(operation.samples)
    if deterministic(sample) and Call(operation.function, (sample,), {}).inputs
]


def floats(ys):
    return [y for y in ys if hasattr(y, "dtype") and y.dtype.kind == "f"]


@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_every_operation_and_its_gradient(operation, sample):
    call = Call(operation.function, (sample,), {})
    xs = [np.stack([x * (1 + 0.01 * i) for i in range(EXAMPLES)]) for x in call.inputs]

    def function(*xs):
        return tuple(call(list(xs)))

    def loss(*xs):
        return sum(F.sum(F.sin(y)) for y in floats(function(*xs)))

    ys = vmap(function)(*xs)
    expected = [function(*[x[i] for x in xs]) for i in range(EXAMPLES)]
    for y, rows in zip(ys, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(np.asarray(y), np.stack(rows), rtol=1e-9, atol=1e-11)
    if not floats(expected[0]):
        return
    every = tuple(range(len(xs)))
    gxs = vmap(grad(loss, every))(*xs)
    expected = [grad(loss, every)(*[x[i] for x in xs]) for i in range(EXAMPLES)]
    for gx, rows in zip(gxs, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(gx, np.stack(rows), rtol=1e-7, atol=1e-9)


def test_the_common_operations_take_no_loop(monkeypatch):
    def one_by_one(function, xs, level):
        raise AssertionError(f"{function.name} went one by one")

    monkeypatch.setattr(batching, "one_by_one", one_by_one)
    w, v = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2, 3, 3))

    def network(x, image):
        h = F.layer_norm(F.gelu(F.linear(x, w)), 4)
        h = F.softmax(F.concatenate([h, h[::-1]]) + F.max(h) - F.var(h))
        image = F.max_pool2d(F.relu(F.conv2d(image, v)), 2)
        return F.sum(F.where(h > 0.1, h, 0)) + F.mean(image) + F.logsumexp(h[[0, 0, 1]])

    x, image = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2, 2, 6, 6))
    y = vmap(network)(x, image)
    np.testing.assert_allclose(y, [network(*one) for one in zip(x, image, strict=True)])


WITHOUT_A_LOOP = {
    "fourier": (lambda x: F.abs(F.fft(x)) + F.irfft(F.rfft(x, axis=0)[:3], 4, axis=0), (4, 6)),
    "cosines": (lambda x: F.idctn(F.dctn(x, axes=0) * x) + F.dst(x, type=4), (4, 6)),
    "frames": (lambda x: F.istft(F.stft(x, 4, 2), 4, 2), (2, 8)),
    "images": (lambda x: F.interpolate(x, (5, 7), mode="bicubic"), (2, 3, 4, 4)),
    "windows": (lambda x: F.adaptive_avg_pool1d(x, 3) + F.adaptive_max_pool1d(x, 3), (2, 5)),
    "products": (lambda x: F.cumprod(x, 1) + F.logcumsumexp(x, 0), (3, 4)),
    "functions": (lambda x: F.expm(x) + F.real(F.logm(F.expm(x * 0.2) + 2 * np.eye(3))), (3, 3)),
    "triangles": (lambda x: F.solve_triangular(x + 3 * np.eye(3), x[0], lower=True), (3, 3)),
    "sylvester": (lambda x: F.solve_sylvester(x, np.eye(3) * 5, x), (3, 3)),
    "segments": (lambda x: F.segment_softmax(x, np.array([1, 0, 1])), (3, 2)),
    "kernels": (lambda x: F.conv2d(np.ones((2, 4, 5, 5)), x, x[:, 0, 0, 0], groups=2),
                (4, 2, 3, 3)),
    "transposed": (lambda x: F.conv_transpose1d(np.ones((2, 4, 3)), x, stride=2), (4, 2, 3)),
    "convolve": (lambda x: F.convolve(x[0], x[1, :3], "same"), (2, 6)),
    "convolve shorter": (lambda x: F.convolve(x[0, :2], np.arange(4.0), "valid"), (2, 6)),
    "correlate": (lambda x: F.correlate(x[0], x[1]), (2, 6)),
    "interp": (lambda x: F.interp(x, np.arange(4.0), np.arange(4.0) ** 2), (5,)),
    "sparse": (lambda x: F.sparse_matmul((x[0], np.array([0, 2, 0]), np.array([0, 1, 3])), x[1:]
                                         @ np.ones((3, 2)), (2, 3)), (4, 3)),
    "sparse columns": (lambda x: F.sparse_matmul(
        (np.array([1.0, 2.0]), np.array([1, 0]), np.array([0, 1, 2])), x, (2, 2)), (2,)),
    "spsolve": (lambda x: F.spsolve(
        (F.exp(x), (np.arange(3), np.arange(3))), x, (3, 3)), (3,)),
    "sort": (lambda x: F.sort(x) * np.arange(4.0) + F.median(x), (2, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_A_LOOP)
def test_all_examples_at_once(name, monkeypatch):
    function, shape = WITHOUT_A_LOOP[name]
    x = RNG.uniform(0.2, 1.5, size=(4, *shape))

    def loss(x):
        return F.sum(F.sin(function(x)))

    expected = [function(one) for one in x], [grad(loss)(one) for one in x]

    def one_by_one(function, xs, level):
        raise AssertionError(f"{function.name} went one by one")

    monkeypatch.setattr(batching, "one_by_one", one_by_one)
    np.testing.assert_allclose(vmap(function)(x), expected[0], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(vmap(grad(loss))(x), expected[1], rtol=1e-8, atol=1e-10)


def test_axes():
    a, b = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5))
    y = vmap(lambda u, v: u * v, in_axes=(1, 0), out_axes=1)(a, b[:, :4])
    np.testing.assert_allclose(y, a * b[:, :4].T)
    y, z = vmap(lambda p, c: (p["x"] * c, c), in_axes=(0, None))({"x": a}, 2.0)
    np.testing.assert_allclose(y, 2 * a)
    assert z.tolist() == [2.0] * 4  # what is the same for all is repeated


def test_nested_and_with_other_transforms():
    a, x = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 3))

    def f(x):
        return F.sin(a @ x)

    def g(x):
        return F.sum(F.tanh(a @ x) ** 2)

    outer = vmap(vmap(lambda u, v: F.sum(F.sin(u * v)), (0, None)), (None, 0))(x, x[:2])
    np.testing.assert_allclose(outer, [[np.sin(u * v).sum() for u in x] for v in x[:2]])
    for transform in (jacobian(f), hessian(g), jacobian(lambda x: F.concatenate([x, x * x]))):
        np.testing.assert_allclose(vmap(transform)(x), [transform(one) for one in x])
    np.testing.assert_allclose(
        vmap(lambda x: jvp(f, (x,), (x,))[1])(x), [jvp(f, (one,), (one,))[1] for one in x]
    )
    np.testing.assert_allclose(
        vmap(lambda x: vjp(f, x)[1](x)[0])(x), [vjp(f, one)[1](one)[0] for one in x]
    )
    whole = jacobian(vmap(g))(x)
    for i, one in enumerate(x):
        np.testing.assert_allclose(whole[i, i], grad(g)(one))
    assert np.count_nonzero(whole) == x.size


def test_gradients_of_each_example_are_differentiated_again():
    x, t = RNG.normal(size=(5, 3)), RNG.normal(size=5)

    def loss(w, x, t):
        return (F.sum(F.tanh(x * w)) - t) ** 2

    def norms(w):
        return F.sum(vmap(grad(loss), in_axes=(None, 0, 0))(w, x, t) ** 2)

    def slowly(w):
        return sum(F.sum(grad(loss)(w, *one) ** 2) for one in zip(x, t, strict=True))

    w = np.array([0.3, -0.2, 1.0])
    np.testing.assert_allclose(grad(norms)(w), grad(slowly)(w))
    w = Variable(w)
    norms(w).backward()
    np.testing.assert_allclose(w.grad.data, grad(slowly)(w.data))


def test_an_index_that_differs_from_example_to_example():
    table = Variable(RNG.normal(size=(6, 2)))
    index = np.array([[0, 0, 5], [1, 2, 3]])
    y = vmap(lambda i: F.embedding(i, table))(index)
    np.testing.assert_array_equal(y.data, table.data[index])
    F.sum(y).backward()
    assert table.grad.data[:, 0].tolist() == [2, 1, 1, 1, 0, 1]

    def chosen(x):
        return F.take_along_axis(x, F.argsort(x), axis=0)

    x = RNG.normal(size=(4, 3))
    np.testing.assert_array_equal(vmap(chosen)(x), np.sort(x, axis=1))
    gx = vmap(grad(lambda x: F.sum(chosen(x) * np.arange(3.0))))(x)
    np.testing.assert_array_equal(gx, np.argsort(np.argsort(x, axis=1), axis=1))


ALL, FEW, MASK = slice(None), np.array([2, 0, -3]), np.array([True, False, True, False])
MASKS = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]], bool)
INDICES = {
    "rows": (lambda i: (i,), (2,)),
    "a row": (lambda i: (i,), ()),
    "columns": (lambda i: (ALL, i), (2,)),
    "a column": (lambda i: (ALL, i), ()),
    "the last axis": (lambda i: (..., i), (2, 2)),
    "two axes": (lambda i: (ALL, i, i[0]), (2,)),
    "apart": (lambda i: (i, ALL, i), (2,)),
    "apart from a number": (lambda i: (1, ALL, i), (2,)),
    "beside the same for all": (lambda i: (FEW, i), (2, 1)),
    "beside a mask": (lambda i: (i, MASK), (2,)),
    "with a new axis": (lambda i: (ALL, None, i), (2,)),
    "with a new axis behind": (lambda i: (ALL, i, None), (2,)),
    "with a new axis between": (lambda i: (ALL, i, None, FEW), (3,)),
    "with a part": (lambda i: (slice(1, None), i, 1), (2,)),
    "a mask": (lambda i: (i > 0,), (3,)),
    "a mask and a number": (lambda i: (i > 0, ALL, 1), (3,)),
}


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("accumulate", [False, True], ids=["put", "added"])
def test_places_that_differ_from_example_to_example(name, shared, accumulate):
    make, shape = INDICES[name]
    i = MASKS.astype(int) if "mask" in name and shape == (3,) else RNG.integers(-3, 3, (4, *shape))
    x = RNG.normal(size=(3, 4, 5)) if shared else RNG.normal(size=(4, 3, 4, 5))
    each = [(x if shared else x[k], i[k]) for k in range(4)]
    axes = (None if shared else 0, 0)
    values = [x[make(i)] for x, i in each]
    np.testing.assert_array_equal(vmap(lambda x, i: F.getitem(x, make(i)), axes)(x, i), values)
    slopes = [grad(lambda x, i=i: F.sum(F.getitem(x, make(i)) ** 2))(x) for x, i in each]
    got = vmap(grad(lambda x, i: F.sum(F.getitem(x, make(i)) ** 2)), axes)(x, i)
    np.testing.assert_allclose(got, slopes)

    def put(v, x, i):
        return F.index_put(x, make(i), v, accumulate)

    def loss(v, x, i):
        return F.sum(put(v, x, i) ** 2)

    v = RNG.normal(size=np.shape(values))
    expected = [put(v, *one) for v, one in zip(v, each, strict=True)]
    np.testing.assert_allclose(vmap(put, (0, *axes))(v, x, i), expected)
    got = vmap(grad(loss, (0, 1)), (0, *axes))(v, x, i)
    for k in range(2):
        expected = [grad(loss, k)(v, *one) for v, one in zip(v, each, strict=True)]
        np.testing.assert_allclose(got[k], expected)


def test_places_in_nested_vmaps():
    x, i = RNG.normal(size=(4, 3, 4, 5)), RNG.integers(0, 3, (2, 4, 2))
    y = vmap(lambda i: vmap(lambda x: x[:, i])(x))(i[0])
    np.testing.assert_array_equal(y, [[x[:, i] for x in x] for i in i[0]])
    y = vmap(lambda i, j: vmap(lambda x, j: x[i, :, j])(x, j), (0, None))(i[0], i[1])
    np.testing.assert_array_equal(
        y, [[x[a, :, b] for x, b in zip(x, i[1], strict=True)] for a in i[0]]
    )
    y = vmap(vmap(lambda x, i: F.index_put(x, (slice(None), i), 9.0)))(np.stack([x, -x]), i)
    for sign, rows, part in zip((1, -1), y, i, strict=True):
        for got, one, where in zip(rows, x, part, strict=True):
            np.testing.assert_array_equal(got, F.index_put(sign * one, (slice(None), where), 9.0))


def test_lines_scattered_in_places_of_each_example():
    x, values = RNG.normal(size=(4, 2, 5)), RNG.normal(size=(4, 2, 3))
    i = RNG.integers(0, 5, (4, 2, 3))
    for scatter in (F.scatter, F.scatter_add):
        y = vmap(lambda x, i, v, scatter=scatter: scatter(x, 1, i, v))(x, i, values)
        expected = [scatter(x, 1, i, v) for x, i, v in zip(x, i, values, strict=True)]
        np.testing.assert_allclose(y, expected)
    y = vmap(lambda x, i, v: F.put_along_axis(x, i, v, 1))(x, i, values)
    expected = [F.put_along_axis(x, i, v, 1) for x, i, v in zip(x, i, values, strict=True)]
    np.testing.assert_array_equal(y, expected)


def test_constants_inside_stay_constants():
    x = RNG.normal(size=(4, 3))
    gx = vmap(grad(lambda x: F.sum(x * F.stop_gradient(x))))(x)
    np.testing.assert_array_equal(gx, x)
    gx = vmap(grad(lambda x: F.sum(x * (x > 0))))(x)
    np.testing.assert_array_equal(gx, x > 0)


def test_numpys_functions_are_called_with_examples():
    x = RNG.normal(size=(4, 3))
    y = vmap(lambda x: np.sum(np.exp(x) * np.arange(3.0)) / np.max(np.abs(x)))(x)
    np.testing.assert_allclose(y, (np.exp(x) * np.arange(3)).sum(1) / np.abs(x).max(1))
    y = vmap(lambda x: np.where(np.isnan(x) | (x > 0), x, -x))(x)
    np.testing.assert_array_equal(y, np.abs(x))


def refused(kind, sentence):
    return pytest.raises(kind, match=re.escape(sentence))


def test_what_is_refused():
    with refused(ValueError, "vmap: argument 0 (2,) and argument 1 (3,) have different numbers"):
        vmap(lambda x, y: x + y)(np.ones(2), np.ones(3))
    with refused(ValueError, "vmap: argument 0 (2,) has no axis 1"):
        vmap(lambda x: x, in_axes=1)(np.ones(2))
    with refused(ValueError, "vmap: no argument has examples: in_axes are all None"):
        vmap(lambda x: x, in_axes=(None,))(np.ones(2))
    with refused(ValueError, "vmap: 1 in_axes came for 2 arguments"):
        vmap(lambda x, y: x, in_axes=(0,))(np.ones(2), np.ones(2))
    with refused(TypeError, "bool: inside vmap the value differs from example to example"):
        vmap(lambda x: x if x > 0 else -x)(np.ones(2))
    with refused(
        TypeError, "getitem: inside vmap the mask chooses 1 elements of one example and 2"
    ):
        vmap(lambda x: x[x > 0])(np.array([[1.0, 2.0], [-1.0, 2.0]]))
    with refused(TypeError, "float: inside vmap"):
        vmap(float)(np.ones(2))
    with refused(TypeError, "np.asarray: inside vmap"):
        vmap(np.asarray)(np.ones(2))
