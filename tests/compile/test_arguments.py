"""What goes into a compiled function and what comes out of it: kinds, memory, signatures."""

import collections
import copy
import gc
import threading
import weakref

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Parameter, TraceError, Variable

Pair = collections.namedtuple("Pair", "left right")


def recordings(compiled):
    return sum(map(len, compiled.recordings.values()))


def check(same, function, *args, scale=1.0, **kwargs):
    """Assert that a pure function answers the same eagerly and in two compiled calls."""
    with np.errstate(all="ignore"):
        expected = function(*args, **kwargs)
    compiled = descend.compile(function)
    same(compiled(*args, **kwargs), expected, "first call", scale)
    same(compiled(*args, **kwargs), expected, "second call", scale)
    assert recordings(compiled) == 1
    return compiled


# ---- kinds of arguments -----------------------------------------------------------------------


def test_nested_arguments(same):
    def f(a, *, b, c):
        return {"sum": a[0] + b["x"][1], "pair": Pair(c.left * 2, [c.right, a[1]])}

    x = np.arange(6.0).reshape(2, 3)
    y = Variable(np.ones(3))
    check(same, f, [x, np.float64(3)], b={"x": (1, y)}, c=Pair(x[0], y))


@pytest.mark.parametrize("answer", [None, 3, "word", (), [], {}, True])
def test_answers_without_arrays(same, answer):
    check(same, lambda x: answer, np.ones(3))


def test_a_structure_with_static_parts(same):
    check(same, lambda x: {"a": None, "b": (x + 1, "name", [4.5, x])}, np.ones(3))


def test_the_same_array_twice(same):
    def f(x):
        y = x * 2
        return y, y, y + 0, [y]

    compiled = check(same, f, np.arange(5.0))
    a, b, *_ = compiled(np.arange(5.0))
    a[0] = 99  # memory of its own
    assert b[0] == 0


def test_an_argument_is_answered(same):
    check(same, lambda x, y: (x, y, x), np.arange(5.0), Variable(np.ones(2)))


def test_views_of_an_argument_are_answered(same):
    def f(x):
        return (x.T, x[::-1, 1:], x.reshape(-1), x[0], np.broadcast_to(x[0], (3, 2, 4)))

    check(same, f, np.arange(8.0).reshape(2, 4))


def test_constants_are_answered(same):
    large = np.arange(100.0)

    def f(x):
        return (np.ones(2), large, np.zeros(()), Variable(np.arange(3)))

    check(same, f, np.ones(3))


def test_numbers_of_numpy(same):
    for kind in (np.float32, np.float64, np.int64, np.int8, np.bool_):
        check(
            same,
            lambda x, y: x * y,
            kind(3) if kind is not np.bool_ else kind(True),
            np.arange(4.0),
        )


def test_static_arguments_are_told_apart(same):
    def f(x, n, flag=False, name="a"):
        return x**n if flag else x * n + len(name)

    compiled = descend.compile(f)
    x = np.arange(4.0)
    for n in (2, 3, 2.0, True):
        for flag in (False, True):
            for name in ("a", "bc"):
                same(
                    compiled(x, n, flag, name=name), f(x, n, flag, name=name), f"{n} {flag} {name}"
                )
    assert recordings(compiled) == 16


def test_static_arguments_that_are_not_equal_to_themselves():
    compiled = descend.compile(lambda x, fill: F.where(x > 0, x, fill))
    for _ in range(3):
        np.testing.assert_array_equal(compiled(np.array([1.0, -1.0]), float("nan")), [1, np.nan])
    assert recordings(compiled) == 1


def test_zeros_of_either_sign_are_told_apart():
    compiled = descend.compile(lambda x, zero: np.copysign(x, zero))
    assert compiled(np.ones(2), 0.0)[0] == 1
    assert compiled(np.ones(2), -0.0)[0] == -1


def test_an_argument_that_cannot_be_hashed_and_changes():
    compiled = descend.compile(lambda x, chosen: x[..., sorted(chosen)] * 1)
    chosen = {0, 2}
    x = np.arange(4.0)
    np.testing.assert_array_equal(compiled(x, chosen), [0, 2])
    chosen.add(3)
    np.testing.assert_array_equal(compiled(x, chosen), [0, 2, 3])


def test_defaults_and_keywords(same):
    def f(x, y=2.0, *rest, z=None):
        return x * y + sum(rest) + (0 if z is None else z)

    compiled = descend.compile(f)
    x = np.arange(3.0)
    for args, kwargs in [
        ((x,), {}),
        ((x, 3.0), {}),
        ((x,), {"y": x}),
        ((x, x, x, x), {"z": x}),
        ((), {"y": x, "x": x}),
    ]:
        same(compiled(*args, **kwargs), f(*args, **kwargs))


def test_a_method():
    class Scale:
        def __init__(self, factor):
            self.factor = Variable(np.asarray(factor))

        @descend.compile
        def __call__(self, x):
            """Scaled."""
            return (self.factor * x).data

        @descend.compile
        def moved(self, x, by=1.0):
            self.factor.data = self.factor.data + by
            return (self.factor * x).data

    a, b = Scale(2.0), Scale(3.0)
    x = np.arange(3.0)
    for _ in range(2):
        np.testing.assert_array_equal(a(x), 2 * x)
        np.testing.assert_array_equal(b(x), 3 * x)
    np.testing.assert_array_equal(a.moved(x), 3 * x)
    np.testing.assert_array_equal(a.moved(x, by=2.0), 5 * x)
    np.testing.assert_array_equal(b(x), 3 * x)
    assert Scale.__call__.__doc__ == "Scaled."


def test_a_callable_object():
    layer = descend.nn.Linear(3, 2)
    compiled = descend.compile(layer)
    x = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(compiled(x).data, layer(x).data, rtol=1e-5)


def test_compiled_inside_compiled(same):
    inner = descend.compile(lambda x: F.exp(x) * 2)

    def outer(x):
        return inner(x) + inner(x[:2].sum())

    check(same, outer, np.arange(4.0))
    compiled = descend.compile(descend.compile(lambda x: x * 2))
    np.testing.assert_array_equal(compiled(np.ones(3)), np.full(3, 2.0))


def test_recursion(same):
    def power(x, n):
        return x if n == 0 else descend.compile(power)(x, n - 1) * 2

    check(same, power, np.arange(3.0), 5)


def test_a_module_that_holds_itself(same):
    class Tree(descend.nn.Module):
        def __init__(self, depth):
            self.weight = Parameter(np.full(3, float(depth)))
            self.below = Tree(depth - 1) if depth else None

        def forward(self, x):
            return self.weight * (x if self.below is None else self.below(x)) + 1

    check(same, Tree(5), np.arange(3.0))


# ---- signatures -------------------------------------------------------------------------------


def test_several_shapes_and_dtypes(same):
    def f(x):
        return (x * 2 + 1, x.sum(), (x - 1) / 2)

    compiled = descend.compile(f)
    rng = np.random.default_rng(0)
    xs = [
        (10 * rng.standard_normal(shape)).astype(dtype)
        for shape in [(), (1,), (0,), (3,), (2, 3), (0, 3), (1, 1, 1), (5, 1, 2)]
        for dtype in (np.float32, np.float64, np.int64)
    ]
    for _ in range(2):
        for x in xs:
            same(compiled(x), f(x), f"{x.dtype} {x.shape}")
    assert recordings(compiled) == len(xs)


@pytest.mark.parametrize(
    "dtype",
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split(),
)
def test_every_dtype(same, dtype):
    x = (np.arange(40) % 7).reshape(5, 8).astype(dtype)
    y = (np.arange(8) % 5).astype(dtype)

    def f(x, y):
        parts = [x & y, ~x] if x.dtype.kind in "biu" else [x / (y + 1), F.exp(-x), F.tanh(y)]
        parts += [x + y, x * y, x[::2, ::-3], x == y, x > y, F.where(x > y, x, y)]
        parts += [F.sum(x, axis=0), F.max(x, axis=1), F.min(x), F.argmax(x, axis=1), x.T]
        if x.dtype != bool:
            parts += [x - y, F.maximum(x, y), F.mean(x, axis=1), F.matmul(x, y), F.abs(x)]
        return parts

    check(same, f, x, y)


def test_complex_numbers(same):
    z = np.arange(4) + 1j * np.arange(4)[::-1]
    check(same, lambda z: (z * z, np.conj(z), F.exp(z), z.sum()), z)
    check(same, lambda z: z * np.float32(2) + 1, z.astype(np.complex64))


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4", ">u2"])
def test_the_other_byte_order(same, dtype):
    x = np.arange(20).astype(dtype)
    other = np.arange(40).astype(dtype)
    v = Variable(x.copy(), requires_grad=False)

    def f(x):
        return x * 2, x.sum(), x[::2] + other[:1], other + 1, (v * 2).data

    compiled = descend.compile(f)
    for _ in range(2):
        for got, value in zip(compiled(x), f(x), strict=True):
            np.testing.assert_array_equal(got, value)
            assert got.dtype.isnative
    assert recordings(compiled) == 1


@pytest.mark.parametrize(
    "layout",
    {
        "transposed": lambda x: np.ascontiguousarray(x.T).T,
        "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
        "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
        "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
        "part": lambda x: np.pad(x, 1)[1:-1, 1:-1],
        "unaligned": lambda x: np.ndarray(
            x.shape, x.dtype, bytearray(b"0" + x.tobytes()), offset=1
        ),
        "subclass": lambda x: x.view(type("Mine", (np.ndarray,), {})),
    }.items(),
    ids=lambda item: item[0],
)
def test_layouts(same, layout):
    x = layout[1](np.arange(35.0).reshape(5, 7))

    def f(x, y):
        return (F.matmul(x, y.T), x * 2 + y, F.sum(x, axis=0), F.exp(-x))

    expected = f(np.array(x), np.array(x))
    compiled = descend.compile(f)
    for _ in range(2):
        same(compiled(x, x), expected)


def test_a_strided_argument_that_changes():
    compiled = descend.compile(lambda x: x * 2)
    base = np.arange(20.0)
    x = base[::2]
    np.testing.assert_array_equal(compiled(x), 2 * x)
    base += 1
    np.testing.assert_array_equal(compiled(x), 2 * x)


def test_a_read_only_argument():
    x = np.arange(5.0)
    x.flags.writeable = False
    np.testing.assert_array_equal(descend.compile(lambda x: x + 1)(x), x + 1)


def test_a_read_only_parameter(alike):
    def make():
        array = np.arange(5.0)
        array.flags.writeable = False
        w = Parameter(array, "w")

        def step():
            w.data = w.data + 1

        return step, [w]

    alike(make, (), (), ())


def test_no_elements(same):
    def f(x):
        return (x + 1, F.sum(x, axis=0), F.exp(x).T, x.reshape(-1), F.matmul(x, x.T))

    check(same, f, np.zeros((0, 3)))
    check(same, f, np.zeros((3, 0)))
    check(same, lambda x: x.sum(), np.zeros((0,)))


def test_a_row_of_no_elements_meets_a_transpose(same):
    def f(x, y):
        turned = F.transpose(x, (0, 2, 1))
        return F.where(y > 0, turned, y) * turned

    check(same, f, np.zeros((4, 0, 7)), np.zeros(0))


def test_an_axis_of_an_array_without_axes(same):
    """NumPy takes a number for an array of one axis here."""

    def f(x):
        return F.min(x, axis=-1), F.sum(x, axis=0), F.cumsum(x, axis=0), F.argmax(x, axis=0)

    check(same, f, np.array(2.0))


def test_no_axes(same):
    check(
        same,
        lambda x, y: (x + y, F.exp(x), x * np.arange(3.0), F.sum(x)),
        np.array(2.0),
        np.float64(3),
    )


def test_many_axes(same):
    x = np.arange(2.0**7).reshape((2,) * 7)
    check(same, lambda x: (F.sum(x, axis=(1, 3, 5)), F.transpose(x)[1] * 2, x * x[:1]), x)


def test_many_arguments_and_results(same):
    def f(xs):
        return [x * i + xs[0] for i, x in enumerate(xs)]

    check(same, f, [np.full(3, float(i)) for i in range(150)])


# ---- what the function holds ------------------------------------------------------------------


def test_a_large_array_that_is_held_and_changes():
    table = np.arange(100.0)
    compiled = descend.compile(lambda x: x + table)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(np.ones(100)), 1 + table)
        table += 1


def test_an_array_that_is_changed_while_it_is_recorded():
    def f(x):
        table = np.zeros(100)
        table[3] = 1
        y = x + table
        table[3] = 2
        return y, x + table

    with pytest.raises(TraceError, match=r"changes an array, float64 \(100,\), after it was used"):
        descend.compile(f)(np.ones(100))


def test_a_variable_of_the_function_changes_shape():
    w = Variable(np.arange(3.0))
    compiled = descend.compile(lambda: (w * 2).data)
    assert compiled().shape == (3,)
    w.data = np.arange(4.0)
    np.testing.assert_array_equal(compiled(), 2 * w.data)
    w.data = np.arange(4)
    assert compiled().dtype == np.int64


def test_a_variable_that_holds_a_number_of_numpy():
    total = F.sum(Variable(np.arange(3.0)))  # its data is an np.float64 within
    compiled = descend.compile(lambda x: x + total.detach())
    np.testing.assert_array_equal(compiled(np.ones(2)).data, [4, 4])
    np.testing.assert_array_equal(
        descend.compile(lambda x, t: x + t)(np.ones(2), total).data, [4, 4]
    )


# ---- memory of results ------------------------------------------------------------------------


def test_results_that_are_held_stay():
    compiled = descend.compile(lambda x: (x * 2, x.reshape(2, -1) + 1))
    held = [compiled(np.full(6, float(i))) for i in range(10)]
    for i, (a, b) in enumerate(held):
        np.testing.assert_array_equal(a, np.full(6, 2.0 * i))
        np.testing.assert_array_equal(b, np.full((2, 3), i + 1.0))


@pytest.mark.parametrize(
    "hold",
    [
        lambda y: y[1:],
        lambda y: y.T,
        lambda y: Variable(y),
        lambda y: Variable(y[::2]),
        lambda y: memoryview(y),
        lambda y: iter(y.flat),
        lambda y: {"y": [y]},
        lambda y: lambda: y,
        lambda y: np.frombuffer(y, np.uint8),
    ],
)
def test_results_that_are_held_by_something_else_stay(hold):
    compiled = descend.compile(lambda x: x * 1.0)

    def value(held):
        if isinstance(held, Variable):
            return held.data.copy()
        if callable(held):
            return held().copy()
        if isinstance(held, dict):
            return held["y"][0].copy()
        if isinstance(held, (memoryview, np.ndarray)):
            return np.array(held)
        return np.array(held.base)

    x = np.arange(8.0)
    held = hold(compiled(x))
    before = value(held)
    for i in range(5):
        compiled(np.full(8, 50.0 + i))
    np.testing.assert_array_equal(value(held), before)


def test_variables_that_are_answered_stay():
    compiled = descend.compile(lambda x: Variable(x * 2, requires_grad=False))
    first = compiled(np.ones(4))
    array = compiled(np.full(4, 2.0)).data
    compiled(np.full(4, 3.0))
    np.testing.assert_array_equal(first.data, np.full(4, 2.0))
    np.testing.assert_array_equal(array, np.full(4, 4.0))


def test_gradients_that_are_held_stay():
    w = Parameter(np.ones(4))

    @descend.compile
    def step(x):
        w.cleargrad()
        (w * x).sum().backward()

    held = []
    for i in range(5):
        step(np.full(4, float(i)))
        held.append(w.grad.data)
    for i, g in enumerate(held):
        np.testing.assert_array_equal(g, np.full(4, float(i)))


def test_a_result_goes_in_again():
    compiled = descend.compile(lambda x: x[::-1] * 2)
    x = np.arange(5.0)
    expected = x
    for _ in range(6):
        x, expected = compiled(x), expected[::-1] * 2
        np.testing.assert_array_equal(x, expected)


def test_arguments_are_not_written():
    x = np.arange(60.0)
    v = Variable(np.ones(60))
    compiled = descend.compile(lambda x, v: (x * 2 + v, F.exp(v - x), x[::-1]))
    for _ in range(3):
        y, *_ = compiled(x, v)
        y.data[...] = -1
    np.testing.assert_array_equal(x, np.arange(60.0))
    np.testing.assert_array_equal(v.data, np.ones(60))


def test_results_can_be_written():
    for f in (
        lambda x: x + 1,
        lambda x: x,
        lambda x: np.zeros(3),
        lambda x: np.broadcast_to(x, (2, 3)),
    ):
        y = descend.compile(f)(np.ones(3))
        y[...] = 5
        assert y.flags.c_contiguous


# ---- several threads --------------------------------------------------------------------------


def test_several_threads_call_at_once():
    compiled = descend.compile(lambda x, n: (F.exp(x * 0.1) * 2, x.sum() + n))
    errors = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(60):
                n = int(rng.integers(1, 40))
                x = rng.standard_normal((n, 50))
                y, total = compiled(x, np.float64(seed))
                np.testing.assert_allclose(y, np.exp(x * 0.1) * 2, rtol=1e-12)
                np.testing.assert_allclose(total, x.sum() + seed, rtol=1e-9, atol=1e-9)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


# ---- what is left behind ----------------------------------------------------------------------


def test_a_function_that_is_dropped_goes():
    class Model:
        def __init__(self):
            self.w = Parameter(np.ones(5))

        def step(self, x):
            (self.w * x).sum().backward()

    model = Model()
    compiled = descend.compile(model.step)
    compiled(np.ones(5))
    compiled(np.ones(5))
    dead = [weakref.ref(model), weakref.ref(compiled.last.executable)]
    del model, compiled
    gc.collect()
    assert [ref() for ref in dead] == [None, None]


def test_objects_with_compiled_methods_go():
    class Model:
        @descend.compile
        def double(self, x):
            return x * 2

    dead = []
    for _ in range(3):
        model = Model()
        model.double(np.ones(5))
        dead.append(weakref.ref(model))
        del model
    gc.collect()
    assert [ref() for ref in dead] == [None] * 3


def test_a_compiled_method_shows_what_it_is():
    class Model:
        @descend.compile
        def double(self, x):
            return x * 2

        @descend.compile
        def triple(self, x):
            return x * 3

    model = Model()
    model.double(np.ones(5))
    assert "multiply" in model.double.graph
    twins = copy.copy(model), copy.deepcopy(model)
    for twin in twins:
        np.testing.assert_array_equal(twin.double(np.ones(2)), [2, 2])
        np.testing.assert_array_equal(twin.triple(np.ones(2)), [3, 3])
        assert twin.double is not model.double


def test_dicts_of_other_kinds(same):
    def f(batch):
        return {**batch, "sum": batch["x"] + batch["y"]}

    for kind in (collections.OrderedDict, dict, lambda **k: collections.defaultdict(list, k)):
        compiled = descend.compile(f)
        for i in range(3):
            batch = kind(x=np.full(3, float(i)), y=np.ones(3))
            same(dict(compiled(batch)), f(batch))
        assert recordings(compiled) == 1
