"""NumPy's functions of single elements, compiled: every dtype, and the edges of each."""

import numpy as np
import pytest

import descend

POSITIVE = [0.0, 1, 2, 3, 0.5, 7, np.inf, np.nan, 1e300, 5e-324, 1e-45, 2.5, 8, 1000, 1e5, 0.1, 6]
FLOATS = np.array([*POSITIVE, *(-x for x in POSITIVE)])
WHOLE = [0, 1, 2, 3, 7, -1, -2, -128, 127, 100, -100, 5, 6, -6, -7, -5]
UNARY = """
    arctan arcsin arccos arcsinh arccosh arctanh log2 log10 exp2 cbrt trunc rint floor sinc
    nan_to_num
""".split()
BINARY = """
    arctan2 hypot logaddexp logaddexp2 floor_divide remainder fmod copysign heaviside
""".split()
DTYPES = ["float64", "float32", "float16", "int8", "int32", "int64", "uint8", "uint64", "bool"]
TOLERANCES = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-14}


def arguments(name, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            x = FLOATS.astype(dtype)
    else:
        x = np.array(WHOLE).astype(dtype)
    if dtype.kind in "iu":
        x = np.append(x, np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype))
    return [x] if name in UNARY else [v.ravel() for v in np.meshgrid(x, x)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_values_are_numpys(name, dtype):
    xs, function = arguments(name, dtype), getattr(np, name)
    with np.errstate(all="ignore"):
        try:
            expected = function(*xs)
        except TypeError as error:  # of booleans
            with pytest.raises(TypeError, match=str(error)[:20]):
                descend.compile(lambda *xs: function(*xs))(*xs)
            return
    compiled = descend.compile(lambda *xs: function(*xs))
    y = compiled(*xs)
    assert all(kernel.call is None for kernel in compiled.last.executable.kernels)
    assert y.dtype == expected.dtype
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(y, expected)
        return
    np.testing.assert_allclose(y, expected, TOLERANCES[expected.dtype.name])
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_and_ten_are_exact(dtype):
    limits = np.finfo(dtype)
    n = np.arange(limits.minexp - limits.nmant, limits.maxexp).astype(dtype)
    np.testing.assert_array_equal(descend.compile(np.exp2)(n), np.ldexp(dtype(1), n.astype(int)))
    np.testing.assert_array_equal(descend.compile(np.log2)(np.exp2(n)), n)
    n = np.arange(0, 23 if dtype is np.float64 else 11).astype(dtype)
    np.testing.assert_array_equal(descend.compile(np.log10)(10**n), n)
    cubes = np.arange(-200, 200).astype(dtype) ** 3
    np.testing.assert_array_equal(descend.compile(np.cbrt)(cubes), np.arange(-200, 200))


def test_floor_divide_is_what_remainder_leaves():
    rng = np.random.default_rng(0)
    x0, x1 = rng.uniform(-1e6, 1e6, 4000), rng.choice([0.1, 0.3, -0.7, 3.0, 1e-3], 4000)
    compiled = descend.compile(lambda x0, x1: (x0 // x1, x0 % x1))
    for got, expected in zip(compiled(x0, x1), (x0 // x1, x0 % x1), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_numbers_in_the_place_of_others():
    x = np.array([np.nan, np.inf, -np.inf, 1.0])
    compiled = descend.compile(lambda x: np.nan_to_num(x, nan=7.0, posinf=8.0, neginf=-9.0))
    np.testing.assert_array_equal(compiled(x), [7, 8, -9, 1])


def test_float64_is_rounded_once_to_float16():
    half = np.arange(0, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    middle = (half[1:] + half[:-1]) / 2
    x = np.concatenate([half, middle, np.nextafter(middle, 0), np.nextafter(middle, 1e9), -middle])
    x = np.append(x, [np.inf, np.nan, 65519.99999999, 65520.0, 1e300, -1e300, 1e-300])
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
    np.testing.assert_array_equal(descend.compile(lambda x: x.astype(np.float16))(x), expected)
