"""Elementary functions, as compiled by LLVM, beside references of more digits.

Errors are in units in the last place of the correctly rounded result.
"""

import ctypes
import functools
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
import scipy.special

llvm = pytest.importorskip("llvmlite.binding")
ir = pytest.importorskip("llvmlite.ir")
elementary = pytest.importorskip("descend.compile.elementary.table")
lanes_module = pytest.importorskip("descend.compile.machine.lanes")

DTYPES = {32: np.float32, 64: np.float64}
LIMITS = {32: 2, 64: 4}
LANES = 8
INTEGER = ir.IntType(64)


def sigmoid(x):
    """As sigmoid, which however loses subnormal results."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1 + small)


REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "erf": scipy.special.erf,
    "sigmoid": sigmoid,
    "sqrt": np.sqrt,
    "exp2": np.exp2,
    "log2": np.log2,
    "log10": np.log10,
    "cbrt": np.cbrt,
    **{f"arc{name}": getattr(np, f"arc{name}") for name in "sin cos tan sinh cosh tanh".split()},
}
BINARY = {"power": np.power, "arctan2": np.arctan2, "hypot": np.hypot}
UNARY = list(REFERENCES)
MANY_DIGITS = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "exp2": lambda x: mpmath.exp(x * mpmath.ln2),
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "arctan2": mpmath.atan2,
}
MANY_DIGITS |= {
    name: getattr(mpmath, name.replace("arc", "a"))
    for name in (*UNARY, "power", "hypot")
    if name not in MANY_DIGITS
}
INSIDE = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt"), np.abs),
    "log1p": lambda x: x[x > -1],
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), lambda x: x[np.abs(x) <= 1]),
    "arccosh": lambda x: 1 + np.abs(x),
}
"""Where there are real values."""

SPECIAL = [0.0, 1.0, np.inf, np.nan, 0.5, 2.0, 2.5, 3.0, 4.0, 7.0, 1 / 3, 100.0, 720.0, 1e5]
SPECIAL += [1e9, 2.0**20, 2.0**53, 2.0**53 + 2, 1e30, 1e300, 5e-324, 1e-45, 2.0**-130, 2.0**-1030]
SPECIAL += [-x for x in SPECIAL]


@functools.cache
def machine(features=""):
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    host = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=f"{host},{features}".strip(","), opt=3
    )


def written(name, width, lanes, features=""):
    """The module with `f(*inputs, output, n)`: so many lanes at a time, the rest one by one."""
    count = 2 if name in BINARY else 1
    module = ir.Module()
    module.triple = machine(features).triple
    module.data_layout = str(machine(features).target_data)
    signature = ir.FunctionType(ir.VoidType(), [ir.PointerType()] * (count + 1) + [INTEGER])
    function = ir.Function(module, signature, "f")
    builder = ir.IRBuilder(function.append_basic_block())
    n = function.args[-1]
    whole = builder.sub(n, builder.srem(n, ir.Constant(INTEGER, lanes)))
    write_loop(builder, name, width, lanes, ir.Constant(INTEGER, 0), whole)
    write_loop(builder, name, width, 1, whole, n)
    builder.ret_void()
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    return parsed


def write_loop(builder, name, width, lanes, begin, end):
    scalar = lanes_module.FLOATS[width]
    type = scalar if lanes == 1 else ir.VectorType(scalar, lanes)
    *inputs, output, _ = builder.function.args
    before = builder.block
    head, body, done = (builder.append_basic_block() for _ in range(3))
    builder.branch(head)
    builder.position_at_end(head)
    i = builder.phi(INTEGER)
    i.add_incoming(begin, before)
    builder.cbranch(builder.icmp_signed("<", i, end), body, done)
    builder.position_at_end(body)
    addresses = [builder.gep(p, [i], source_etype=scalar) for p in (*inputs, output)]
    values = [builder.load(address, typ=type, align=width // 8) for address in addresses[:-1]]
    y = elementary.emit(builder, name, *values)
    builder.store(y, addresses[-1], align=width // 8)
    i.add_incoming(builder.add(i, ir.Constant(INTEGER, lanes)), builder.block)
    builder.branch(head)
    builder.position_at_end(done)


@functools.cache
def kernel(name, width, lanes=LANES, features=""):
    """The function of arrays."""
    module = written(name, width, lanes, features)
    passes = llvm.create_pass_builder(
        machine(features), llvm.create_pipeline_tuning_options(speed_level=3)
    )
    passes.getModulePassManager().run(module, passes)
    engine = llvm.create_mcjit_compiler(module, machine(features))
    engine.finalize_object()
    count = 2 if name in BINARY else 1
    native = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (count + 1), ctypes.c_int64)(
        engine.get_function_address("f")
    )

    def run(*xs):
        xs = [np.ascontiguousarray(x, DTYPES[width]) for x in np.broadcast_arrays(*xs)]
        y = np.empty_like(xs[0])
        native(*(x.ctypes.data for x in xs), y.ctypes.data, y.size)
        return y

    run.engine, run.native = engine, native  # the engine owns the machine code
    return run


def errors(y, exact):
    """Of float32 results beside float64 ones; infinite where only one of them is NaN."""
    with np.errstate(all="ignore"):
        # Infinity counts as the next number after the largest.
        y, exact = (np.clip(v.astype(np.float64), -(2.0**128), 2.0**128) for v in (y, exact))
        # The last number's spacing is infinite for NumPy; 2**127 has the same.
        rounded = np.minimum(np.abs(exact), 2.0**127).astype(np.float32)
        distance = np.abs(y - exact) / np.spacing(rounded)
    distance = np.where(np.isnan(y) != np.isnan(exact), np.inf, distance)
    return np.where(np.isnan(y) & np.isnan(exact), 0.0, distance)


def error_of_many_digits(y, exact):
    """Of one float64 result beside an mpmath number."""
    rounded = float(exact)
    if np.isinf(y) or np.isinf(rounded):
        return 0.0 if y == rounded else np.inf
    return float(
        abs(mpmath.mpf(float(y)) - exact) / float(np.spacing(min(abs(rounded), 2.0**1023)))
    )


def check_float32(name, x, limit=LIMITS[32], features=""):
    y = kernel(name, 32, features=features)(x)
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](x.astype(np.float64))
    error = errors(y, exact)
    worst = np.argmax(error)
    assert error[worst] < limit, (name, x[worst], y[worst], exact[worst], error[worst])
    return error[worst]


def same(y, expected):
    """Equal or nearly so, and alike in NaN, infinity and the signs of zeros."""
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=0)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]))


def float64_points(count):
    rng = np.random.default_rng(0)
    wide = np.exp(rng.uniform(-740, 709, count)) * rng.choice([-1, 1], count)
    quarters = rng.integers(1, 600_000, count) * (np.pi / 2)
    near = [rng.uniform(-1, 1, count), rng.normal(size=count) * 3, rng.uniform(-30, 30, count)]
    around_one = 1 + rng.normal(size=count) * 1e-2
    return np.concatenate([*near, rng.uniform(-750, 750, count), wide, quarters, around_one])


@pytest.mark.parametrize("name", UNARY)
def test_float32_is_within_two_units(name):
    x = np.arange(0, 2**32, 2111, dtype=np.uint32).view(np.float32)
    check_float32(name, x)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNARY)
def test_every_float32_is_within_two_units(name):
    step = 2**17  # what stays in a cache
    worst = 0.0
    for begin in range(0, 2**32, step):
        x = np.arange(begin, begin + step, dtype=np.int64).astype(np.uint32).view(np.float32)
        y = kernel(name, 32)(x)
        with np.errstate(all="ignore"):
            exact = REFERENCES[name](x.astype(np.float64))
            # Most are correctly rounded; only the others are worth a closer look.
            others = y != exact.astype(np.float32)
        if others.any():
            worst = max(worst, errors(y[others], exact[others]).max())
    print(f"{name}: {worst:.3f}")
    assert worst < LIMITS[32]


@pytest.mark.parametrize("name", UNARY)
def test_float64_is_within_four_units(name):
    x = INSIDE.get(name, np.array)(float64_points(250))
    with mpmath.workprec(140):
        error = [
            error_of_many_digits(y, MANY_DIGITS[name](mpmath.mpf(v)))
            for v, y in zip(x.tolist(), kernel(name, 64)(x), strict=True)
        ]
    worst = np.argmax(error)
    assert error[worst] < LIMITS[64], (name, x[worst], error[worst])


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("name", UNARY)
def test_special_values(name, width):
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(DTYPES[width])
        # float32 by way of float64: a reference in float32 may flush subnormals.
        expected = REFERENCES[name](x.astype(np.float64)).astype(DTYPES[width])
    same(kernel(name, width)(x), expected)


@pytest.mark.parametrize("width", [32, 64])
def test_exp_underflows_gradually(width):
    x = np.log(2.0) * -np.arange(100, 1100, 0.37)
    x = x.astype(DTYPES[width])
    y = kernel("exp", width)(x)
    with mpmath.workprec(140):
        exact = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
    subnormal = (y > 0) & (y < np.finfo(DTYPES[width]).smallest_normal)
    assert subnormal.sum() > 40
    for got, wanted in zip(y, exact, strict=True):
        unit = float(np.spacing(DTYPES[width](float(wanted))))
        assert abs(float(got) - float(wanted)) <= 2 * unit


def test_power_of_float32_is_within_one_unit():
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-1, 1, 200_000) * np.repeat([0.01, 1, 10, 80], 50_000))
    y = rng.normal(size=200_000) * np.tile([1, 30, 0.1, 1000], 50_000)
    x, y = x.astype(np.float32), y.astype(np.float32)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    assert errors(kernel("power", 32)(x, y), exact).max() < 1


def test_power_of_float64_is_within_four_units():
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-1, 1, 2000) * np.repeat([0.01, 1, 100, 700], 500))
    y = rng.normal(size=2000) * np.tile([1, 30, 0.1, 1000], 500)
    with mpmath.workprec(140):
        error = [
            error_of_many_digits(v, mpmath.mpf(a) ** mpmath.mpf(b))
            for a, b, v in zip(x.tolist(), y.tolist(), kernel("power", 64)(x, y), strict=True)
        ]
    assert max(error) < LIMITS[64]


@pytest.mark.parametrize("width", [32, 64])
def test_power_of_special_values(width):
    with np.errstate(all="ignore"):
        special = np.array(SPECIAL).astype(DTYPES[width])
        x, y = (v.ravel() for v in np.meshgrid(special, special))
        expected = np.power(x.astype(np.float64), y.astype(np.float64)).astype(DTYPES[width])
    same(kernel("power", width)(x, y), expected)


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_a_lane_does_not_depend_on_its_neighbours(name, width):
    # Far arguments among near ones, so that both ways of sin, cos and tan are taken.
    x = np.random.default_rng(0).normal(size=8 * 64 + 3) * 3
    x[::11] *= 1e7
    xs = (x, np.roll(x, 1)) if name in BINARY else (x,)
    together, alone = kernel(name, width)(*xs), kernel(name, width, lanes=1)(*xs)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_far_arguments_are_reduced_exactly(name):
    x = np.array([2.0**20, 1e9, 1e22, 1e300, 2.0**20 * 1.25, -3e6, 5419351 / 1725033 * 2**60])
    with mpmath.workprec(1400):
        expected = [float(MANY_DIGITS[name](mpmath.mpf(v))) for v in x.tolist()]
    np.testing.assert_allclose(kernel(name, 64)(x), expected, rtol=1e-15)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_only_circular_functions_call_the_library(name):
    names = [f.name for f in written(name, 32, LANES).functions if f.is_declaration]
    called = [f for f in names if not f.startswith("llvm.")]
    assert called == ([name] if name in ("sin", "cos", "tan") else [])


@pytest.mark.parametrize("name", UNARY)
def test_float32_without_fused_multiplication(name):
    if "fma" not in llvm.get_host_cpu_features():
        pytest.skip("a processor of another family")
    x = np.arange(0, 2**32, 21111, dtype=np.uint32).view(np.float32)
    check_float32(name, x, limit=3, features="-fma,-fma4")


def test_wrong_results_are_noticed():
    exact = np.array([1.0, 1.0, np.nan, 1e-45, 1e39])
    y = np.array([1 + 3 * 2.0**-23, np.nan, 1.0, 0.0, 3.4e38], np.float32)
    assert np.all(errors(y, exact) > [2.9, 1e9, 1e9, 0.5, 2])
    with pytest.raises(AssertionError):
        same(np.array([-0.0]), np.array([0.0]))


@pytest.mark.slow
def test_coefficients_are_what_the_fit_prints():
    script = Path(__file__).parent / "fit_elementary.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    coefficients = Path(elementary.__file__).parent / "coefficients.py"
    assert printed.stdout == coefficients.read_text()
