"""Functions of NumPy's called with Variables, beside NumPy itself at the edges."""

import warnings

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, gradients

inf, nan = np.inf, np.nan
X = np.array([[3.0, 1.5], [-2.25, 4.0]])
REACHED = [
    lambda x: np.positive(x),
    lambda x: np.fabs(x),
    lambda x: np.ldexp(x, 3),
    lambda x: np.modf(x)[0],
    lambda x: np.around(x, 1),
    lambda x: np.block([[x, x], [x, 2 * x]]),
    lambda x: np.nancumsum(x, axis=0),
    lambda x: np.nancumprod(x),
    lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    lambda x: np.cumulative_prod(x, axis=0),
    lambda x: np.matrix_transpose(x),
    lambda x: np.linalg.matrix_transpose(x),
    lambda x: np.linalg.tensorsolve(x, x[0]),
    lambda x: np.linalg.tensorinv(x, ind=1),
    lambda x: np.quantile(x, 0.3, axis=0, method="hazen"),
    lambda x: np.acos(x / 9),
    lambda x: np.pow(x, 2.0),
    lambda x: np.concat([x, x], axis=1),
    lambda x: np.permute_dims(x, (1, 0)),
]


@pytest.mark.parametrize("call", REACHED)
def test_numpys_own_calls_are_differentiated(call):
    x = Variable(X)
    y = call(x)
    assert type(y) is Variable and y.requires_grad
    np.testing.assert_allclose(y.data, call(X), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_powers_of_2_that_leave_the_range_where_the_product_does_not(dtype):
    info = np.finfo(dtype)
    x = np.array([1, 1.999, -0.3, info.tiny, info.smallest_subnormal, info.max, 0, inf, nan], dtype)
    reach = 2 * (info.maxexp - info.minexp)
    exponents = np.array([*range(-reach, reach, max(reach // 40, 1)), 0, 1, -1, info.minexp])[
        :, None
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, expected = F.ldexp(x, exponents), np.ldexp(x, exponents)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)


def test_products_too_small_for_all_digits_are_rounded_once():
    x = 1 + np.arange(64) / 64 + np.ldexp(1.0, -52)
    for exponent in (-1022, -1060, -1073, -1075, -2000):
        np.testing.assert_array_equal(F.ldexp(x, exponent), np.ldexp(x, exponent))
        np.testing.assert_array_equal(
            F.ldexp(x * 2.0**900, exponent - 900), np.ldexp(x * 2.0**900, exponent - 900)
        )


def test_ldexp_has_a_slope_in_its_first_argument_alone():
    x, n = Variable(np.array([1.0, 3.0])), Variable(np.array([2, -1]))
    y = F.ldexp(x, n)
    y.sum().backward()
    assert y.tolist() == [4, 1.5] and x.grad.tolist() == [4, 0.5] and n.grad is None
    assert F.ldexp(np.float32([1]), np.int64([2])).dtype == np.float32
    assert F.ldexp(np.array([1, 3]), 1).tolist() == [2, 6]
    assert F.ldexp(np.array([1.0]), np.array([127], np.int8)) == 2.0**127
    compiled = descend.compile(lambda x: F.ldexp(x, np.array([-3, 5])))
    np.testing.assert_array_equal(compiled(np.array([1.1, 2.3])), np.ldexp([1.1, 2.3], [-3, 5]))


def test_fractions_of_all_kinds_of_numbers():
    x = np.array([1.5, -2.25, -0.0, -3.0, inf, -inf, nan])
    for part, expected in zip(F.modf(x), np.modf(x), strict=True):
        np.testing.assert_array_equal(part, expected)
        np.testing.assert_array_equal(np.signbit(part[:-1]), np.signbit(expected[:-1]))
    v = Variable(x)
    [gx] = gradients(F.modf(v)[0].sum(), v)
    assert gx.tolist()[:6] == [1, 1, 1, 1, 0, 0]
    assert [part.tolist() for part in F.modf(np.array([3]))] == [[0], [3]]


def test_sizes_of_whole_numbers_are_floats():
    assert F.fabs(np.array([-3, 2])).dtype == np.float64
    x = np.array([1.0, 2.0])
    y = F.positive(x)
    assert y.tolist() == [1, 2] and not np.shares_memory(x, y)


def test_nan_counts_as_nothing_in_what_runs():
    x = Variable(np.array([nan, 2.0, nan, 3.0]))
    y = F.nancumsum(x)
    assert y.tolist() == [0, 2, 2, 5]
    assert gradients(y.sum(), x)[0].tolist() == [0, 3, 0, 1]
    y = F.nancumprod(x)
    assert y.tolist() == [1, 2, 2, 6]
    assert gradients(y.sum(), x)[0].tolist() == [0, 5, 0, 2]
    assert F.nancumsum(np.array([[1, 2], [3, 4]]), axis=1).tolist() == [[1, 3], [3, 7]]


BLOCKS = [
    [1.0, 2.0],
    [[X], [X[:1]]],
    [np.ones(2), 3.0],
    [[[X]], [[X]]],
    [[np.ones((1, 2, 2)), X]],
    [np.ones((2, 0)), X],
    X,
]


@pytest.mark.parametrize("blocks", BLOCKS, ids=range(len(BLOCKS)))
def test_blocks_are_numpys(blocks):
    y, expected = F.block(blocks), np.block(blocks)
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y, expected)


def test_numbers_among_blocks_do_not_promote_them():
    assert F.block([np.ones(2, np.float32), 3.0]).dtype == np.float32
    assert F.block([np.ones(2, np.int32), 3.5]).tolist() == [1, 1, 3.5]


ONES = np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.block([]), "block: no arrays came, at least one is needed"),
        (lambda: F.block([ONES, [ONES]]), r"block: lists of the depths \[0, 1\] stand beside"),
        (lambda: F.block((ONES,)), "block: "),
        (lambda: F.block([(ONES, ONES)]), "block: a tuple came, blocks stand in lists"),
        (lambda: F.ldexp(ONES, 0.5), "ldexp: x1 is float64, whole numbers are needed"),
        (lambda: F.fabs(1j * ONES), "fabs: x is complex128, real numbers are needed"),
        (lambda: F.modf(1j * ONES), "modf: x is complex128, real numbers are needed"),
        (lambda: F.positive(ONES > 0), r"positive: x is bool, numbers are needed"),
        (lambda: F.cumulative_sum(ONES), r"cumulative_sum: axis is needed for x \(2, 2\)"),
        (lambda: F.cumulative_prod(1.0), r"cumulative_prod: axis is needed for x \(\)"),
        (lambda: F.matrix_transpose(ONES[0]), r"matrix_transpose: x \(2,\) came, matrices"),
        (lambda: F.tensorsolve(ONES, np.ones(3)), r"tensorsolve: a \(2, 2\) and b \(3,\) do not"),
        (lambda: F.tensorinv(np.ones((2, 3)), 1), r"tensorinv: a \(2, 3\) with ind=1 has 2"),
        (lambda: F.tensorinv(ONES, 0), "tensorinv: ind is 0, at least 1 is needed"),
        (lambda: F.dctn(ONES, s=(2,), axes=(0, 1)), "dctn: 1 lengths s came for 2 axes"),
        (lambda: F.idstn(ONES, type=5), "idst: type=5 came, 1, 2, 3 or 4 is needed"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()


def test_singular_tensors_are_refused():
    with pytest.raises(np.linalg.LinAlgError):
        F.tensorinv(np.zeros((2, 2)), 1)
