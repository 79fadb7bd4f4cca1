"""Complex numbers in compiled programs: as parts that kernels know, and what still calls Python."""

import textwrap
import threading

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, gradients
from descend.compile import is_available
from descend.compile.errors import TraceError
from descend.compile.graph import parse, verify
from descend.compile.machine import foreign
from descend.compile.run import threads
from descend.functions.registry import OPERATIONS
from descend.testing.call import Call

if not is_available():
    pytest.skip("nothing is compiled here", allow_module_level=True)

from descend.compile.passes.floats import as_floats

CASES = [
    pytest.param(operation, sample, id=f"{operation.name}-{i}")
    for operation in OPERATIONS.values()
    for i, sample in enumerate(operation.samples)
    if sample.complex
]
"""Every operation on every sample of complex numbers."""

HOSTED = set("convolve cumprod dct expm sparse_matmul".split())
"""The calls of Python that there are for complex numbers."""


def calls_of_python(compiled):
    executables = [compiled.last.executable, compiled.last._backward]
    kernels = [k for executable in executables if executable for k in executable.kernels]
    return {k.title.removeprefix("host call ") for k in kernels if k.call is not None}


def numbers(shape, seed=0, dtype=np.complex128):
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def values_and_gradients(call):
    """A function of the inputs: what a call answers, and the gradients of a sum of its parts."""

    def function(*inputs):
        xs = [Variable(x) for x in inputs]
        ys = call(xs)
        total = sum(
            (part * F.cos(np.arange(1.0, part.size + 1)).reshape(part.shape)).sum()
            for y in ys
            if isinstance(y, Variable) and y.requires_grad
            for part in (y.real, y.imag)
        )
        gxs = gradients(total, xs, allow_unused=True) if isinstance(total, Variable) else []
        return [
            *(y.data if isinstance(y, Variable) else y for y in ys),
            *(gx.data for gx in gxs if gx is not None),
        ]

    return function


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("operation, sample", CASES)
def test_every_operation_on_complex_numbers(same, operation, sample, dtype):
    call = Call(operation.function, (sample,), {})
    short = {"f": np.float32, "c": np.complex64} if dtype == np.complex64 else {}
    inputs = [x.astype(short.get(x.dtype.kind, x.dtype)) for x in call.inputs]
    function = values_and_gradients(call)
    with np.errstate(all="ignore"):
        expected = [np.asarray(y) for y in function(*inputs)]
    compiled = descend.compile(function)
    for _ in range(2):
        same(compiled(*inputs), expected, operation.name, 10)
    assert calls_of_python(compiled) <= HOSTED


# ---- edges ------------------------------------------------------------------------------------

PARTS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-3, 30.0, 1e200, 1e-200, np.inf, -np.inf, np.nan]
POINTS = np.array([complex(a, b) for a in PARTS for b in PARTS])


def check_as_numpys(function, *xs, rtol=1e-13):
    """Assert that a compiled function answers NumPy's numbers, infinities, NaN and signs of 0."""
    with np.errstate(all="ignore"):
        expected = function(*xs)
    got = descend.compile(function)(*xs)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(np.isnan(got[~np.isnan(expected)]), False)
    finite, infinite = np.isfinite(expected), np.isinf(expected) & ~np.isnan(expected)
    np.testing.assert_array_equal(np.isinf(got[infinite]), True)
    np.testing.assert_allclose(got[finite], expected[finite], rtol, 1e-300)
    for a, b in ((got.real, expected.real), (got.imag, expected.imag)):
        zero = np.logical_and.reduce([finite, a == 0, b == 0, *map(np.isfinite, xs)])
        np.testing.assert_array_equal(np.signbit(a[zero]), np.signbit(b[zero]))


@pytest.mark.parametrize(
    "name", "abs conj negative sqrt log square isnan isinf isfinite rint angle".split()
)
def test_functions_at_every_edge(name):
    check_as_numpys(getattr(np, name), POINTS)


def tame(z):
    """The points without those of which both parts are infinite, or one is NaN."""
    both = np.isinf(z.real) & np.isinf(z.imag)
    return z[~both & ~np.isnan(z)]


@pytest.mark.parametrize("name", "exp expm1 log1p sin cos tan sinh cosh tanh".split())
def test_functions_at_edges(name):
    points = tame(POINTS)
    if name == "expm1":  # 0 minus what underflows: a sum and product in one step knows its sign
        points = points[points.imag != 1e-200]
    check_as_numpys(getattr(np, name), points, rtol=1e-10)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "equal", "not_equal"])
def test_arithmetic_at_edges(name):
    x, y = (z.ravel() for z in np.meshgrid(*[POINTS[np.abs(POINTS.real) != 1e200]] * 2))
    check_as_numpys(getattr(np, name), x, y)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7, -1, -2, 0.5, 2.5, 1j, 1 + 1j, -0.5 + 2j])
def test_powers(close, exponent):
    z = np.concatenate([numbers(20), [0, 1, -1, 1j]])
    with np.errstate(all="ignore"):
        expected = z**exponent
    finite = np.isfinite(expected)
    got = descend.compile(lambda z: z**exponent)(z)
    close(got[finite], expected[finite])
    with np.errstate(all="ignore"):
        close(descend.compile(lambda z, n: z**n)(z, np.full(24, exponent))[finite], got[finite])


@pytest.mark.parametrize(
    "name", "arcsin arccos arctan arcsinh arccosh arctanh exp2 log2 log10".split()
)
def test_further_functions(name):
    tiny = (np.abs(POINTS.real) == 1e-200) | (np.abs(POINTS.imag) == 1e-200)
    z = np.concatenate([numbers(50), POINTS[(np.abs(POINTS) <= 30) & ~tiny]])
    compiled = descend.compile(getattr(np, name))
    with np.errstate(all="ignore"):
        expected = compiled.function(z)
    finite = np.isfinite(expected)
    np.testing.assert_allclose(compiled(z)[finite], expected[finite], 1e-13, 1e-300)
    assert not calls_of_python(compiled)


def test_large_and_small_numbers():
    z = np.array([3e300 + 4e300j, 3e-300 - 4e-300j, 1e-320j], complex)
    compiled = descend.compile(lambda z: (np.abs(z), np.sqrt(z), z / z, 1 / z))
    size, root, one, _ = compiled(z)
    np.testing.assert_allclose(size[:2], [5e300, 5e-300], 1e-15)
    np.testing.assert_allclose(root[:2], np.sqrt(z[:2]), 1e-15)
    np.testing.assert_allclose(one[:2], 1, 1e-15)
    short = np.array([3e30 + 4e30j], np.complex64)
    np.testing.assert_allclose(descend.compile(np.abs)(short), np.float32(5e30), 1e-6)


# ---- together with other numbers --------------------------------------------------------------

OTHERS = [
    2, 2.5, 1 - 2j, True, np.float32(1.5), np.complex64(1j), np.complex128(2 - 1j),
    np.arange(1, 4), np.arange(1.0, 4.0), np.float32([1, 2, 3]), numbers(3, 7), numbers(3, 8, "c8"),
    np.array([True, False, True]), np.arange(6.0).reshape(2, 3) + 1, numbers((2, 1), 9),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.float32, np.int16])
def test_dtypes_meet_as_in_numpy(same, dtype):
    x = numbers(3).astype(dtype) if np.dtype(dtype).kind == "c" else np.array([3, 1, 2], dtype)
    arrays = [y for y in OTHERS if isinstance(y, np.ndarray)]

    def function(x, arrays):
        ys = [*(y for y in OTHERS if not isinstance(y, np.ndarray)), *arrays]
        ys = [y for y in ys if np.iscomplexobj(y) or np.iscomplexobj(x)]
        return [
            [x + y, y + x, x - y, y - x, x * y, y * x, x / y, np.where(x == y, x, y), x != y]
            for y in ys
        ]

    with np.errstate(all="ignore"):
        expected = function(x, arrays)
    compiled = descend.compile(function)
    same(compiled(x, arrays), expected)
    assert not calls_of_python(compiled)


def test_variables_meet_arrays(same):
    z, x = numbers(4), np.arange(1.0, 5.0)

    def function(z, x):
        v, w = Variable(z), Variable(x)
        y = (v * x + w * z - w / v) * (2 - 1j) + np.conj(z) * w
        return [y.data, *(g.data for g in gradients((y * y.conj()).real.sum(), [v, w]))]

    compiled = descend.compile(function)
    same(compiled(z, x), function(z, x))
    assert not calls_of_python(compiled)


def test_arrangements(same):
    z, w = numbers((3, 4)), numbers((3, 4), 1)
    index = np.array([2, 0, 2])

    def function(z, w, index):
        filled = np.zeros_like(z)
        filled[1] = w[0]
        filled[:, ::2] = 1j
        filled[filled == 1j] = 2.0
        return [
            filled, z[1], z[:, ::-2], z[index], z[index, index], z.T, z.reshape(2, -1), z.ravel(),
            np.concatenate([z, w.real], 1), np.stack([z, w]), np.pad(z, 1), np.take(z, index, 1),
            np.broadcast_to(z[0], (2, 4)), np.where(z.real > 0, z, 0), np.tril(z), np.flip(z, 0),
            z.astype(np.complex64), w.real.astype(complex), z.copy(), np.full((2, 2), 1 + 2j),
            np.ones_like(z), np.split(z, 2, axis=1), np.squeeze(z[:1]), np.expand_dims(z, 1),
            np.take_along_axis(z, np.argsort(w.real, 1), 1), z.imag, np.moveaxis(z, 0, 1),
        ]  # fmt: skip

    compiled = descend.compile(function)
    same(compiled(z, w, index), function(z, w, index))
    assert calls_of_python(compiled) <= {"argsort"}


def test_reductions(same):
    z = numbers((3, 4, 2))

    def function(z):
        return [
            z.sum(), z.sum(axis=(0, 2)), z.mean(axis=1, keepdims=True), z.prod(axis=0), z.var(),
            np.std(z, axis=-1), np.cumsum(z, 1), np.any(z), np.all(z, axis=0), np.real(z).max(),
            np.linalg.norm(z[0]), np.mean(np.abs(z) ** 2), np.sum(z, axis=0, dtype=np.complex64),
        ]  # fmt: skip

    compiled = descend.compile(function)
    same(compiled(z), function(z))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(
    "left, right",
    [((3, 4), (4, 5)), ((4,), (4,)), ((2, 3, 4), (4, 2)), ((5, 3, 4), (5, 4, 1)), ((3, 0), (0, 2))],
)
def test_products_of_matrices(same, dtype, left, right):
    z, w, x = numbers(left, 0, dtype), numbers(right, 1, dtype), numbers(left, 2, dtype).real

    def function(z, w, x):
        return z @ w, x @ w, z @ w.real, np.outer(z, x)

    compiled = descend.compile(function)
    same(compiled(z, w, x), function(z, w, x))
    assert calls_of_python(compiled) <= ({"matmul"} if 0 in left else set())


def test_what_has_no_kernels_is_called(same):
    z = numbers((3, 3))

    def function(z):
        return np.sort(z, 0), np.maximum(z, z.T), z < z.T, np.linalg.inv(z), z @ z

    compiled = descend.compile(function)
    same(compiled(z), function(z))
    assert {"sort", "maximum", "less"} <= calls_of_python(compiled)
    assert "host call sort at test_complex.py:" in compiled.explain()


# ---- in and out -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (5,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_shapes_in_and_out(same, dtype, shape):
    z = numbers(shape, 0, dtype)

    def function(z):
        return z, z, z + 1, np.conj(z), z.real, [z.T, 1j * z], np.sort(z, None), np.exp(z).sum()

    compiled = descend.compile(function)
    for x in (z, z, z.T.copy(), z + 1):
        if x.shape == shape:
            same(compiled(x), function(x))


def test_layouts_and_byte_orders(same):
    z = numbers((4, 6))
    read_only = z.copy()
    read_only.flags.writeable = False
    compiled = descend.compile(lambda z: z * 2 + 1j)
    for x in (z.T, z[::-1, ::2], np.asfortranarray(z), z.astype(">c16"), read_only, z.real + 0j):
        got = compiled(x)
        same(got, np.asarray(x * 2 + 1j, complex))
    single = z[0, 0]
    same(descend.compile(lambda z: z * z)(single), np.asarray(single * single))


def test_long_doubles_are_numpys(same):
    z = numbers(3).astype(np.clongdouble)
    compiled = descend.compile(lambda z: (z * z, np.exp(z).real))
    for got, expected in zip(compiled(z), (z * z, np.exp(z).real), strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected)


def test_constants_and_captured_arrays(same):
    small, large = numbers(3, 4), numbers(50, 5)

    def function(z):
        return z * small, (z.sum() * large).sum(), np.array([1j, 2, 3]) + z, np.full(3, 1j)

    z = numbers(3)
    same(descend.compile(function)(z), function(z))


def test_variables_of_complex_numbers_are_written(alike):
    def make():
        v = Variable(numbers((3, 2)), "v")
        w = Variable(numbers((3, 2), 1, np.complex64), "w")

        def step(x):
            y = ((v * x - w) * (v * x - w).conj()).real.sum()
            v.cleargrad()
            w.cleargrad()
            y.backward()
            v.data = v.data - 0.1 * v.grad.data
            w.data = w.data * np.complex64(0.5j)
            return y

        return step, [v, w]

    compiled = alike(make, (numbers(2, 2),), (numbers(2, 3),), (numbers(2, 4),))
    assert not calls_of_python(compiled)


def test_views_of_parts_are_guarded():
    def function(z):
        z = z * 1
        part = z.real
        z[0] = 1
        return part

    with pytest.raises(TraceError, match="of which a view is held"):
        descend.compile(function)(numbers(3))

    def into_a_part(z):
        z = z * 1
        z.real[0] = 1
        return z

    with pytest.raises(TraceError, match="writes into a view"):
        descend.compile(into_a_part)(numbers(3))


def test_complex_arrays_are_floats_to_kernels():
    graph = verify(parse(
        """
        graph(%0: complex64[3], %1: float32[3]) {
          %2 = real(%0) : float32[3]
          %3 = multiply(%2, %1) : float32[3]
          %4 = imag(%0) : float32[3]
          %5 = complex(%3, %4) : complex64[3]
          %6 = fft(%5, inverse=False, factor=1.0) : complex64[3]
          return %6
        }
        """
    ))  # fmt: skip
    assert str(as_floats(graph)) == textwrap.dedent(
        """\
        graph(%0: float32[3,2], %1: float32[3]) {
          %2 = slice(%0, index=((0, 3, 1), (0, 1, 1))) : float32[3,1]
          %3 = reshape(%2, shape=(3,)) : float32[3]
          %4 = multiply(%3, %1) : float32[3]
          %5 = reshape(%4, shape=(3, 1)) : float32[3,1]
          %6 = slice(%0, index=((0, 3, 1), (1, 2, 1))) : float32[3,1]
          %7 = reshape(%6, shape=(3,)) : float32[3]
          %8 = reshape(%7, shape=(3, 1)) : float32[3,1]
          %9 = assemble(%5, %8, shape=(3, 2), dtype='float32', fill=0, """
        """places=(((0, 3, 1), (0, 1, 1)), ((0, 3, 1), (1, 2, 1)))) : float32[3,2]
          %10 = fft(%9, inverse=False, factor=1.0) : float32[3,2]
          return %10
        }"""
    )


# ---- derivatives ------------------------------------------------------------------------------


def energy(z, x):
    return (F.abs(F.exp(z * x) - F.sqrt(z)) ** 2 + F.angle(z) * x).sum()


def test_a_compiled_function_is_a_node(close):
    compiled = descend.compile(energy)

    def found(function):
        z, x = Variable(numbers(4)), Variable(np.arange(1.0, 5.0) / 4)
        gz, gx = gradients(function(z, x), [z, x], create_graph=True)
        again = gradients((gz * gz.conj()).real.sum() + (gx * gx).sum(), [z, x])
        return [gz.data, gx.data, *(g.data for g in again)]

    for got, expected in zip(found(compiled), found(energy), strict=True):
        close(got, expected)
    assert not calls_of_python(compiled)


def test_a_complex_answer_gets_a_complex_gradient(close):
    compiled = descend.compile(lambda z: F.exp(z) * z)
    for function in (compiled, compiled.function):
        z = Variable(numbers(5))
        y = function(z)
        (gz,) = gradients([y], [z], [Variable(numbers(5, 3), requires_grad=False)])
        if function is compiled:
            got = y.data, gz.data
        else:
            close(got[0], y.data)
            close(got[1], gz.data)


def test_transformed_functions(same):
    z, x = numbers((3, 4)), np.arange(1.0, 5.0) / 4

    def function(z, x):
        rows = descend.vmap(lambda z: energy(z, x))(z)
        slopes = descend.vmap(descend.grad(lambda z: energy(z, x)))(z)
        return rows, slopes, descend.vmap(lambda z: F.matmul(F.conj(z), z))(z)

    compiled = descend.compile(function)
    same(compiled(z, x), function(z, x))
    assert not calls_of_python(compiled)


# ---- transforms -------------------------------------------------------------------------------

TRANSFORMS = (
    "fft ifft fft2 ifft2 fftn ifftn rfft rfft2 rfftn irfft irfft2 irfftn hfft ihfft".split()
)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("shape", [(1, 2), (3, 4), (2, 5, 7), (2, 6, 127)])
@pytest.mark.parametrize("name", [*TRANSFORMS, "fftshift"])
def test_transforms_are_native(same, name, shape, dtype):
    z = numbers(shape, 0, dtype)
    z = z.real.copy() if name.startswith("r") or name == "ihfft" else z

    def function(z):
        numpys = getattr(np.fft, name)
        norms = (
            [] if name == "fftshift" else [numpys(z, norm=norm) for norm in ("ortho", "forward")]
        )
        if name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
            norms += [numpys(z, n=n, axis=axis) for n in (2, 5) for axis in range(z.ndim)]
        return [numpys(z), *norms]

    if name.startswith("irfft") and shape[-1] == 1:
        return
    compiled = descend.compile(function)
    same(compiled(z), function(z))
    assert not calls_of_python(compiled)


def test_transforms_of_other_numbers(same):
    function = descend.compile(lambda x: (np.fft.fft(x), np.fft.rfft(x)))
    for x in (np.arange(6), np.arange(6) % 2 == 0, np.arange(6.0).astype(np.float16)):
        same(function(x), function.function(x), scale=100)
    with pytest.raises(ValueError, match="rfft: the lengths"):
        descend.compile(lambda x: F.rfft(x))(np.zeros((2, 0)))


def test_a_spectrum_and_its_gradient_are_one_program(close):
    x, power = Variable(numbers(64).real), np.abs(np.fft.rfft(numbers(64, 1).real)) ** 2

    def slope(x):
        loss = ((F.abs(F.rfft(x)) ** 2 - power) ** 2).sum()
        return gradients(loss, [x])[0]

    compiled = descend.compile(slope)
    close(compiled(x).data, slope(x).data)
    assert not calls_of_python(compiled)
    assert len(compiled.last.executable.segments) == 1


def test_without_numpys_loops_transforms_are_called(same, monkeypatch):
    monkeypatch.setattr(foreign, "has_loop", lambda name: False)
    z = numbers((3, 4))

    def function(z):
        return np.fft.fft(z), np.fft.ifft(z, axis=0), np.fft.irfft(z, 5), np.fft.rfft(z.real)

    compiled = descend.compile(function)
    same(compiled(z), function(z))
    assert calls_of_python(compiled) == {"fft", "rfft", "irfft"}


# ---- threads ----------------------------------------------------------------------------------

LARGE = {
    "elements": lambda z: np.exp(z) * z.conj() / (z + 2),
    "sums": lambda z: (z.sum(axis=0), z.sum(axis=-1), (z * z).sum()),
    "products": lambda z: z[:, :50] @ z[:50].T.conj()[:50],
    "transforms": lambda z: (np.fft.fft(z), np.fft.irfft(z, axis=0), np.fft.rfft(z.real)),
    "arrangements": lambda z: (z.T + 1, np.concatenate([z[::2], z[1::2]]), z.imag, z[:, ::-1]),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", LARGE)
def test_large_arrays(same, monkeypatch, name, count):
    monkeypatch.setattr(threads, "thread_count", lambda: count)
    for dtype in (np.complex128, np.complex64):
        z = numbers((130, 200), 0, dtype)
        compiled = descend.compile(LARGE[name])
        same(compiled(z), LARGE[name](z), scale=10)
        assert not calls_of_python(compiled)


def test_several_threads_call_one_program(close):
    compiled = descend.compile(lambda z: np.fft.ifft(np.fft.fft(z) * z) + np.sort(z))
    zs = [numbers(32, seed) for seed in range(4)]
    compiled(zs[0])
    expected = [compiled.function(z) for z in zs]
    errors = []

    def work(k):
        try:
            for _ in range(50):
                close(compiled(zs[k]), expected[k])
        except AssertionError as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_halves_of_pairs(same, dtype):
    """Both of a pair are loaded and stored at once, whatever else is done with them."""

    def function(x, z):
        y = np.zeros_like(x)
        y[:, 1] = x[:, 0] * 2
        swapped = np.stack([x[:, 1], x[:, 0] + 1], -1)
        return y, swapped, x[:, 0] - x[:, 1], x[::-1, 0] * x[:, 1], z * x[:, 0], z.imag + 1, z.real

    compiled = descend.compile(function)
    for n in (*range(1, 20), 33, 200):
        x = np.random.default_rng(n).normal(size=(n, 2)).astype(dtype)
        z = numbers(n, n, np.result_type(dtype, np.complex64))
        same(compiled(x, z), function(x, z))


def test_parts_are_written_in_place(alike):
    def make():
        v = Variable(numbers(37), "v", requires_grad=False)

        def step(x):
            v.data = v.data * x + v.data.conj()
            return v.data.real * 2

        return step, [v]

    alike(make, (numbers(37, 2),), (numbers(37, 3),), (numbers(37, 4),))
