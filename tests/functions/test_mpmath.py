"""Every elementwise operation against mpmath: values, three derivatives, and special points.

`exact` has the formulas and `special_points` what no formula says. An operation is found to be
elementwise by trying it, so that a new one must bring its formula.
"""

import importlib.util
import inspect
import math
import pathlib
from math import nan

import mpmath
import numpy as np
import pytest
from mpmath import mp

import descend.functions as F
from descend import Variable, gradients
from descend.functions.registry import OPERATIONS


def module_beside(name):
    path = pathlib.Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exact, networks = module_beside("exact"), module_beside("exact_networks")
special_points = module_beside("special_points").TABLE

FORMULAS = exact.TABLE | networks.TABLE
OPERATIONS_WITH_FORMULAS = {name.split()[0] for name in FORMULAS}

# ---- the bounds -------------------------------------------------------------------------------

ULPS = 4
"""The most units in the last place by which a value may differ: what NumPy's vectorized functions
promise. A derivative may differ by as many again for each order, as rules multiply."""

LOOSER = {
    "logaddexp2": (8, "the slope is the sigmoid of log(2) * (x0 - x1), whose rounding counts"),
    "erfcx": (40, "the recurrence of its derivatives loses some digits just below 2"),
    "ndtri": (120, "exp(y**2 / 2) multiplies the rounding of y by y**2"),
    "log_ndtr": (50, "x + density / probability cancels on the left"),
    "gammainc": (8, "SciPy's value"),
    "gammaincc": (64, "SciPy's value"),
    "i0e": (8, "SciPy's i0e - i1e, and a long power series"),
    "i1e": (20, "the sum of two derivatives of i0e"),
}
"""Other bounds in units in the last place, and the reasons."""

SATURATED = "their rules need the value alone, which is 1 (or -1) where the slope is small"
ABSOLUTE = {
    "gelu": (0, 4, "1 + erf(x / sqrt(2)) cancels on the left, x times"),
    **dict.fromkeys(["tanh", "sigmoid", "expm1"], (1, 8, SATURATED)),
    **dict.fromkeys(["elu", "celu", "selu", "tanhshrink"], (1, 8, SATURATED)),
    **dict.fromkeys(["silu", "mish", "gelu by tanh", "focal_loss"], (1, 256, SATURATED)),
    **dict.fromkeys(["logaddexp", "logaddexp2", "logsigmoid"], (2, 8, SATURATED)),
    **dict.fromkeys(["softplus", "softplus with beta"], (2, 16, SATURATED)),
    "softplus with threshold": (2, 16, SATURATED),
    "binary_cross_entropy_with_logits": (2, 8, SATURATED),
    "soft_margin_loss": (2, 40**3, f"{SATURATED}, times powers of the other argument"),
}
"""From which derivative on errors of so many units in the last place of 1 are right too, and the
reasons. The rules of tanh, sigmoid and expm1 are those of the peers: no input is kept for them."""


def is_right(name, order, got, expected, dtype, factor=1.0):
    """Whether the error is within the bound, times a factor."""
    kind = np.finfo(dtype)
    if not np.isfinite(got):
        return False
    wrong = abs(mp.mpf(float(got)) - expected)
    first, units, _ = ABSOLUTE.get(name, (9, 0, ""))
    if order >= first and wrong <= units * float(kind.eps):
        return True
    unit = float(kind.eps) * abs(expected) + float(kind.smallest_subnormal)
    ulps = LOOSER[name][0] if name in LOOSER else ULPS
    return bool(wrong <= ulps * (1 + order) * unit * factor)


# ---- with 50 digits ---------------------------------------------------------------------------


def digits(args, order):
    """50, and as many as cancel in 1 - exp(-x**2), 1 + x and differences near x = 1e-300."""
    more = 0.0
    for x in map(abs, args):
        more = max(more, min(700, x + x * x / 2))
        more = max(more, min(1200, (order + 2) * abs(math.log10(x)))) if x else more
    return 50 + int(more)


def derivative(case, args, places):
    """The derivative to the arguments of these numbers, in turn, as a central difference."""
    order = len(places)
    precision = case.digits or digits(args, order)
    with mpmath.workdps(precision + 30 * order + 20):
        args = [mp.mpf(x) for x in args]
        terms = [(mp.mpf(1), args)]
        for place in places:
            x = args[place]
            step = mp.ldexp(1, (mp.mag(x) if x else 0) - 100)  # x + step is exact
            terms = [
                (sign * factor / step, [*at[:place], at[place] + sign * step / 2, *at[place + 1 :]])
                for factor, at in terms
                for sign in (1, -1)
            ]
        values = [factor * case.formula(*at) for factor, at in terms]
        total = mp.fsum(values)
        lost = abs(total) < max(map(abs, values)) * mp.mpf(10) ** (-precision - 30 * order - 10)
        return mp.mpf(0) if lost else total


# ---- with descend -----------------------------------------------------------------------------


def arguments(point):
    return point if isinstance(point, tuple) else (point,)


def operation(name):
    """The operation whose name the text starts with."""
    return getattr(F, name.split()[0])


def prepared(name, columns):
    """The arguments of operations that take no two arrays of floats of one shape."""
    if name == "prelu":  # a weight for each channel: each point is a channel
        return [columns[0][None], columns[1]]
    return [columns[0], columns[1].astype(int)] if name == "ldexp" else columns


def paths(case):
    """The arguments that a function is differentiated by, one after the other."""
    places = range(len(arguments(case.points[0]))) if case.wrt is None else case.wrt
    for place in places:
        yield (place,) * case.orders
    if len(places) > 1 and case.orders > 1:
        yield tuple(places[:2])


def derivatives(name, case, points, path, dtype):
    """The value and the derivatives along a path, at all points.

    Value and slope must not warn; further derivatives may overflow.
    """
    columns = [np.array(column, dtype) for column in zip(*map(arguments, points), strict=True)]
    xs = prepared(name, columns)
    for place in {*path}:
        xs[place] = Variable(xs[place])
    ys = [operation(name)(*xs, **case.params)]
    for order, place in enumerate(path):
        gx = None
        with np.errstate(**({"all": "ignore"} if order else {})):
            if ys[-1].requires_grad:
                (gx,) = gradients(F.sum(ys[-1]), xs[place], create_graph=True, allow_unused=True)
        ys.append(F.zeros_like(xs[place]) if gx is None else gx)
    assert {y.dtype for y in ys} == {np.dtype(dtype)}
    return [y.data.reshape(-1) for y in ys]


def failures(name, case, points, path, dtype=np.float64):
    """What is further from the exact number than the bound, in words."""
    found = derivatives(name, case, points, path, dtype)
    for k, args in enumerate(map(arguments, points)):
        for order in range(len(path) + 1):
            expected = derivative(case, args, path[:order])
            if abs(expected) > float(np.finfo(dtype).max):
                break  # nor are the next of use
            got = found[order][k]
            if is_right(name, order, got, expected, dtype):
                continue
            # What the rounding of an argument changes is no error
            moved = sum(
                abs(x * derivative(case, args, (*path[:order], place)))
                for place, x in enumerate(args)
                if case.wrt is None or place in case.wrt
            )
            if expected and is_right(name, order, got, expected, dtype, 1 + moved / abs(expected)):
                continue
            yield (
                f"{name}{args}: the derivative to the arguments {path[:order]} is {got!r}, exactly "
                f"{mp.nstr(expected, 17)} (beside {mp.nstr(moved, 3)})"
            )


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_three_derivatives(name):
    case = FORMULAS[name]
    found = [text for path in paths(case) for text in failures(name, case, case.points, path)]
    assert not found, "\n".join(["", *found])


def rounded(points, dtype):
    """The points as numbers of this dtype, but those that overflow or become whole numbers."""
    low, high = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    for point in points:
        args = arguments(point)
        if all(x == 0 or low <= abs(x) <= high for x in args):
            near = tuple(float(dtype(x)) for x in args)
            if all(x == y or not y.is_integer() for x, y in zip(args, near, strict=True)):
                yield near


@pytest.mark.parametrize("name", FORMULAS)
@np.errstate(all="ignore")
def test_values_and_slopes_in_float32(name):
    case = FORMULAS[name]
    points = [*rounded(case.points, np.float32)]
    found = [
        text for path in paths(case) for text in failures(name, case, points, path[:1], np.float32)
    ]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("name", ["erfcx", "sinc", "i0e", "i1e", "j1", "i1", "gammaln", "ndtri"])
def test_the_sixth_derivative(name):
    case = FORMULAS[name]
    path = (0,) * 6
    found = derivatives(name, case, [0.3, 0.6], path, np.float64)[6]
    expected = [float(derivative(case, (x,), path)) for x in (0.3, 0.6)]
    np.testing.assert_allclose(found, expected, 1e-11)


# ---- complex numbers --------------------------------------------------------------------------

EPS = 2.0**-52
PLANE = [0.5 + 0.7j, -0.4 + 1.3j, 1.2 - 0.9j, -2.0 - 0.3j, 0.01 + 0.02j, 3.0 - 1e-9j, 0.1 + 4.0j]
"""Points of all quadrants, beside the cuts too."""


PIECEWISE = {"sign", "nan_to_num", "round", "rint", *networks.ACTIVATIONS} - {"tanhshrink"}


def of_complex_numbers(name):
    """Whether the operation is one function of complex numbers, with a derivative."""
    case = FORMULAS[name]
    if case.params or isinstance(case.points[0], tuple) or name in PIECEWISE:
        return False
    try:
        return operation(name)(np.array([0.5 + 0.5j])).dtype.kind == "c"
    except TypeError:
        return False


@pytest.mark.parametrize("name", [*filter(of_complex_numbers, FORMULAS)])
def test_values_and_slopes_of_complex_numbers(name):
    case = FORMULAS[name]
    z = Variable(np.array(PLANE))
    y = operation(name)(z)
    (gz,) = gradients(F.sum(y), z)
    for k, point in enumerate(PLANE):
        with mpmath.workdps(80):
            at, step = mp.mpc(point), mp.mpf(2) ** -100
            value = case.formula(at)
            slope = (case.formula(at + step) - case.formula(at - step)) / (2 * step)
        scale = abs(value) + abs(slope * point)
        np.testing.assert_allclose(y.data[k], complex(value), 0, float(16 * EPS * scale))
        expected = complex(slope).conjugate()
        np.testing.assert_allclose(gz.data[k], expected, 64 * EPS, 64 * EPS)


# ---- special points ---------------------------------------------------------------------------


def same(got, expected):
    """Equal but for the last digits; -0.0 is asked for where it is expected."""
    if expected == 0:
        return got == 0 and np.signbit(got) >= np.signbit(expected)
    return np.isclose(got, expected, rtol=4e-16, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", special_points)
@np.errstate(all="ignore")
def test_special_points(name):
    case = FORMULAS[name]
    for point, value, slopes in special_points[name]:
        args, slopes = arguments(point), slopes if isinstance(slopes, tuple) else (slopes,)
        wanted = (
            [slope is not None for slope in slopes] if slopes != (None,) else [False] * len(args)
        )
        columns = prepared(name, [np.array([x]) for x in args])
        xs = [Variable(x) if want else x for x, want in zip(columns, wanted, strict=True)]
        y = operation(name)(*xs, **case.params)
        got = np.asarray(y.data if isinstance(y, Variable) else y).item()
        assert same(got, value), f"{name}{args} is {got!r}, not {value!r}"
        if not any(wanted):
            continue
        leaves = [x for x in xs if isinstance(x, Variable)]
        gxs = gradients(F.sum(y), leaves, allow_unused=True)
        found = [0.0 if gx is None else gx.item() for gx in gxs]
        np.testing.assert_allclose(
            found, [slope for slope in slopes if slope is not None], rtol=2e-15,
            err_msg=f"{name}{args}",
        )  # fmt: skip


WITHOUT_NAN = {
    "nan_to_num": "it puts a number there",
    "fmax": "the other one",
    "fmin": "the other one",
}


@pytest.mark.parametrize("name", FORMULAS)
@np.errstate(all="ignore")
def test_nan_goes_through(name):
    case = FORMULAS[name]
    args = arguments(case.points[0])
    args = (*args[:1], nan) if name in ("polygamma", "zeta") else (nan, *args[1:])
    y = operation(name)(*prepared(name, [np.array([x]) for x in args]), **case.params)
    assert np.isnan(y).all() == (name not in WITHOUT_NAN)


# ---- the tables cover everything --------------------------------------------------------------


@np.errstate(all="ignore")
def is_elementwise(entry):
    """Whether each element of the output is the same function of the elements in its place."""
    tried = False
    for sample in entry.samples:
        params = dict(sample.params)
        if "reduction" in inspect.signature(entry.function).parameters:
            params["reduction"] = "none"
        xs = sample.arrays()
        if any(isinstance(x, list | str) for x in xs):
            return False
        arrays = [np.shape(x) for x in [*xs, *params.values()] if isinstance(x, np.ndarray)]
        try:
            shape = np.broadcast_shapes(*arrays)
        except ValueError:
            return False
        if math.prod(shape) < 2:
            continue
        tried = True
        if not in_its_place(entry.function, xs, params, shape):
            return False
    return tried


def in_its_place(function, xs, params, shape):
    """Whether arguments in another order give answers in that order, and one by one the same."""
    xs = [np.broadcast_to(x, shape) if is_full(x) else x for x in xs]
    params = {key: np.broadcast_to(x, shape) if is_full(x) else x for key, x in params.items()}

    def answers(change):
        changed = {key: change(x) if is_full(x) else x for key, x in params.items()}
        ys = function(*[change(x) if is_full(x) else x for x in xs], **changed)
        return np.array(ys) if isinstance(ys, tuple) else np.array([ys])

    try:
        together = answers(lambda x: x)
        backwards = answers(lambda x: x[(slice(None, None, -1),) * len(shape)])
        each = [answers(lambda x, at=at: x[at]) for at in np.ndindex(shape)]
    except (ValueError, TypeError, IndexError):
        return False
    if together.shape[1:] != shape:
        return False
    order = (slice(None), *(slice(None, None, -1),) * len(shape))
    flat = together.reshape(len(together), -1)
    return np.allclose(together[order], backwards, rtol=1e-12, equal_nan=True) and np.allclose(
        flat, np.stack(each, -1), rtol=1e-12, equal_nan=True
    )


def is_full(x):
    return isinstance(x, np.ndarray) and x.ndim > 0


def test_every_elementwise_operation_has_a_formula():
    found = {
        name
        for name, entry in OPERATIONS.items()
        if (entry.primitive and entry.primitive.elementwise) or is_elementwise(entry)
    }
    assert found - OPERATIONS_WITH_FORMULAS == {*exact.WITHOUT_FORMULA}
    assert {name.split()[0] for name in special_points} == OPERATIONS_WITH_FORMULAS


def test_the_finder_of_elementwise_operations():
    yes = ("tanh", "clip", "huber_loss", "divmod", "masked_fill")
    no = (
        "softmax",
        "flip",
        "tril",
        "cumsum",
        "sum",
        "dropout",
        "matmul",
        "transpose",
        "maxout",
        "prelu",
    )
    assert [name for name in (*yes, *no) if is_elementwise(OPERATIONS[name])] == [*yes]


def test_bounds_are_of_operations_in_the_table():
    assert {*LOOSER} | {*ABSOLUTE} <= {*FORMULAS}
    assert {*special_points} <= {*FORMULAS}


def test_a_wrong_formula_is_found():
    right = FORMULAS["sin"]
    wrong = exact.Exact(lambda x: mp.sin(x) * (1 + mp.mpf(2) ** -48), right.points)
    (path,) = paths(right)
    assert not [*failures("sin", right, right.points, path)]
    assert len([*failures("sin", wrong, right.points, path)]) > len(right.points)
