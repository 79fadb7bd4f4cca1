"""What random small graphs compute, before and after each pass, and as machine code."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from descend.compile import is_available
from descend.compile.graph import Graph, constant, evaluate, input_node, node, verify

if not is_available():
    pytest.skip("nothing is compiled here", allow_module_level=True)

from descend.compile.passes import PASSES, optimized
from descend.compile.run.runtime import Executable

F8 = np.dtype(np.float64)
I8 = np.dtype(np.int64)
LENGTHS = st.sampled_from((1, 2, 3, 5, 17))
UNARY = ("negative", "sin", "tanh", "abs", "erf", "cos")
BINARY = ("add", "add", "subtract", "subtract", "multiply", "maximum", "minimum")


def ones_in_front(x, count):
    return node("reshape", x, shape=(1,) * count + x.shape)


@st.composite
def graphs(draw):
    """A graph of float64 nodes, each made from some that are there already.

    Nothing is compared but with a number that no value hits, so that rounding decides nothing.
    """
    shape = tuple(draw(st.lists(LENGTHS, min_size=1, max_size=4)))
    inputs = [input_node(shape, F8) for _ in range(draw(st.integers(1, 3)))]
    inputs.append(input_node((shape[-1],), F8))
    nodes = list(inputs)
    # a few kinds of nodes in each graph: so those that a rule is for meet more often
    makers = draw(st.lists(st.sampled_from(MAKERS), min_size=1, max_size=4, unique=True))
    for _ in range(draw(st.integers(1, 12))):
        x = draw(st.sampled_from(nodes[-2:] if draw(st.booleans()) else nodes))  # chains, too
        made = draw(st.sampled_from(makers))(draw, x, nodes)
        if made is not None and made.size <= 5000:
            nodes.append(made)
    made = [x for x in nodes if x not in inputs] or inputs
    outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3))
    return Graph(inputs, [made[-1], *outputs])


def unary(draw, x, nodes):
    return node(draw(st.sampled_from(UNARY)), x)


def binary(draw, x, nodes):
    fitting = [y for y in nodes if fits(x.shape, y.shape)]
    pair = [x, draw(st.sampled_from(fitting))]
    if draw(st.booleans()):
        pair.reverse()
    return node(draw(st.sampled_from(BINARY)), *pair)


def fits(a, b):
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def number(draw, x, nodes):
    y = constant(draw(st.sampled_from((0.0, 1.0, -1.0, 0.5, 3.0))), F8)
    if draw(st.booleans()):
        y = node("broadcast_to", y, shape=x.shape)
    return node(draw(st.sampled_from(("add", "multiply", "subtract"))), x, y)


def reduction(draw, x, nodes):
    if not x.size:
        return None
    axes = tuple(i for i in range(x.ndim) if draw(st.booleans()))
    return node(draw(st.sampled_from(("sum", "sum", "max", "min"))), x, axes=axes)


def negated(draw, x, nodes):
    return node("negative", x)


def transposed(draw, x, nodes):
    return node("transpose", x, axes=tuple(draw(st.permutations(range(x.ndim)))))


def repeated(draw, x, nodes):
    shape = tuple(draw(LENGTHS) if n == 1 else n for n in x.shape)
    return node("broadcast_to", x, shape=(*draw(st.lists(LENGTHS, max_size=1)), *shape))


def sliced(draw, x, nodes):
    index = []
    for n in x.shape:
        start = draw(st.integers(0, n - 1)) if n else 0
        if draw(st.booleans()):
            index.append((start, n, draw(st.integers(1, 2))))
        else:
            index.append((start, None, -draw(st.integers(1, 2))) if n else (0, 0, 1))
    return node("slice", x, index=tuple(index))


def reshaped(draw, x, nodes):
    lengths = list(x.shape)
    if len(lengths) > 1 and draw(st.booleans()):
        i = draw(st.integers(0, len(lengths) - 2))
        lengths[i : i + 2] = [lengths[i] * lengths[i + 1]]
    else:
        lengths.insert(draw(st.integers(0, len(lengths))), 1)
    return node("reshape", x, shape=tuple(lengths))


def chosen(draw, x, nodes):
    same = [y for y in nodes if y.shape == x.shape]
    bound = constant(0.123456789, F8)
    mask = node(draw(st.sampled_from(("less", "greater_equal"))), x, bound)
    return node("where", mask, x, draw(st.sampled_from(same)))


def places(draw, length, count):
    return constant(draw(st.lists(st.integers(0, length - 1), min_size=count, max_size=count)), I8)


def looked_up(draw, x, nodes):
    if not x.ndim or not x.shape[0]:
        return None
    return node("gather", x, places(draw, x.shape[0], draw(st.sampled_from((2, 20)))))


def scattered(draw, x, nodes):
    if not x.ndim or not 0 < x.shape[0] <= 20:
        return None
    index = places(draw, 4, x.shape[0])
    return node("scatter_add", x, index, shape=(4, *x.shape[1:]))


def pieces(draw, x, nodes):
    if not x.ndim:
        return None
    n = x.shape[0]
    rest = tuple((0, m, 1) for m in x.shape[1:])
    gap = draw(st.integers(0, 2))
    place = [((0, n, 1), *rest), ((n + gap, 2 * n + gap, 1), *rest)]
    other = draw(st.sampled_from([y for y in nodes if y.shape == x.shape]))
    return node(
        "assemble",
        *(x, other),
        shape=(2 * n + gap, *x.shape[1:]),
        dtype=F8,
        fill=1.5,
        places=tuple(place),
    )


def running_sum(draw, x, nodes):
    return node("cumsum", x, axis=draw(st.integers(0, x.ndim - 1))) if x.ndim else None


def product(draw, x, nodes):
    if x.ndim < 2 or not x.shape[-1]:
        return None
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return node("matmul", x, node("transpose", x, axes=order))


def counted(draw, x, nodes):
    if not x.ndim:
        return None
    axis = draw(st.integers(0, x.ndim - 1))
    return node("add", x, node("iota", shape=x.shape, axis=axis, dtype=F8))


OTHERS = (looked_up, pieces, scattered, running_sum, product, counted)


def another(draw, x, nodes):
    return draw(st.sampled_from(OTHERS))(draw, x, nodes)


MAKERS = (
    *(unary, binary, negated, number, reduction),
    *(transposed, repeated, sliced, reshaped, chosen, another),
)


def arrays_of(graph):
    rng = np.random.default_rng(len(graph.nodes))
    return [rng.uniform(-1, 1, x.shape) for x in graph.inputs]


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        largest = float(np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * largest)


few = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@settings(few, max_examples=250)
@given(graph=graphs())
def test_each_pass_keeps_what_is_computed(graph):
    note(str(graph))
    arrays = arrays_of(verify(graph))
    expected = evaluate(graph, *arrays)
    for name, change in PASSES.items():
        after = verify(change(graph))
        note(f"after {name}: {after}")
        assert_same(evaluate(after, *arrays), expected)
    once = verify(optimized(graph))
    assert_same(evaluate(once, *arrays), expected)
    assert len(PASSES["cse"](once).nodes) == len(once.nodes)


@settings(few, max_examples=30)
@given(graph=graphs())
def test_machine_code_computes_the_same(graph):
    note(str(graph))
    arrays = arrays_of(graph)
    expected = evaluate(graph, *arrays)
    for each in (graph, verify(optimized(graph))):
        got = [np.empty(y.shape, y.dtype) for y in each.outputs]
        given = [x.copy() for x in arrays]
        executable = Executable(PASSES["host"](each))
        for _ in range(2):  # the second run finds the memory as the first one left it
            executable.run(given, got)
            assert_same(got, expected)
        assert_same(given, arrays)
