"""The graph as text, there and back; what verify() and parse() refuse."""

import numpy as np
import pytest

from descend.compile.graph import (
    Graph,
    Node,
    constant,
    evaluate,
    input_node,
    node,
    parse,
    verify,
)
from descend.functions.images.windows import Windows

TEXT = """\
graph(%0: float32[2,3], %1: float32[3]) {
  %2 = multiply(%0, %1) : float32[2,3]
  return %2
}"""


def every_kind_of_node():
    """A graph with parameters of every kind: tuples, dtypes, numbers, arrays, windows."""
    x = input_node((2, 6, 6, 4), np.float32)
    weight = input_node((8, 3, 3, 4), np.float32)
    index = input_node((5,), np.int64)
    windows = Windows((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    y = node("convolve", x, weight, windows=windows, groups=1)
    y = node("sum", y, axes=(0, 1))
    half = node("slice", y, index=((5, None, -2), (0, 8, 1)))
    whole = node(
        "assemble",
        half,
        shape=(4, 8),
        dtype=np.dtype(np.float32),
        fill=-np.inf,
        places=(((1, 4, 1), (0, 8, 1)),),
    )
    found = node("gather", whole, index)
    table = constant([[1.5, np.nan], [-np.inf, -0.0]], np.float32)
    mask = constant(True)
    count = node("iota", shape=(5,), axis=0, dtype=np.dtype(np.int64))
    return Graph(
        [x, weight, index], [found, table, mask, node("cast", count, dtype=np.dtype("f8"))]
    )


def test_a_graph_prints_and_parses_back():
    graph = every_kind_of_node()
    text = str(verify(graph))
    again = verify(parse(text))
    assert str(again) == text
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal((2, 6, 6, 4)).astype("f"),
        rng.standard_normal((8, 3, 3, 4)).astype("f"),
        rng.integers(0, 4, 5),
    ]
    for a, b in zip(evaluate(graph, *arrays), evaluate(again, *arrays), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def test_the_text_is_as_the_docstring_says():
    assert str(parse(TEXT)) == TEXT
    assert str(parse(TEXT.replace("%", "%1"))) == TEXT  # names are given anew, in order


def test_what_no_output_needs_is_not_there():
    x = input_node((2,), np.float64)
    node("exp", x)
    y = node("sin", x)
    assert [n.op for n in Graph([x], [y]).nodes] == ["sin"]


def test_a_long_chain_needs_no_recursion():
    x = y = input_node((), np.float64)
    for _ in range(20_000):
        y = node("negative", y)
    graph = Graph([x], [y])
    assert len(graph.nodes) == 20_000
    assert evaluate(graph, 3.0) == [3.0]
    assert str(parse(str(graph))) == str(graph)


WRONG = {
    "": "parse: a graph is 'graph(...) {', nodes, 'return ...' and '}'",
    TEXT.replace("graph", "grap"): "parse: a graph is 'graph(...) {', nodes, 'return ...' and '}'",
    TEXT.replace("  return %2\n", ""): "parse: a graph is 'graph(...) {', nodes, 'return ...' "
    "and '}'",
    TEXT.replace("%1: ", "%1 "): "parse: '%1 float32[3]' is no input, which is like "
    "'%0: float32[2,3]'",
    TEXT.replace("%1: float32", "%1: float33"): "parse: '%1: float33[3]' has no dtype of NumPy: "
    "'float33'",
    TEXT.replace(": float32[2,3]\n", "\n"): "parse: '%2 = multiply(%0, %1)' is no node, which is "
    "like '%2 = add(%0, %1) : float32[2,3]'",
    TEXT.replace("%2 =", "%1 ="): "parse: '%1 = multiply(%0, %1) : float32[2,3]' names %1 a "
    "second time",
    TEXT.replace("multiply", "multipli"): "parse: '%2 = multipli(%0, %1) : float32[2,3]' is no "
    "node: 'multipli' is no operation",
    TEXT.replace("multiply(%0, %1)", "%0"): "parse: '%2 = %0 : float32[2,3]' is no node: it calls "
    "no operation",
    TEXT.replace("%1)", "%1"): "parse: a graph is 'graph(...) {', nodes, 'return ...' and '}'",
    TEXT.replace("(%0, %1) :", "(%0, %1 :"): "parse: '%2 = multiply(%0, %1 : float32[2,3]' is no "
    "node: '(' was never closed",
    TEXT.replace("(%0, %1)", "(%0, %7)"): "parse: '%2 = multiply(%0, %7) : float32[2,3]' uses %7, "
    "which no line before defines",
    TEXT.replace("(%0, %1)", "(%0, 3)"): "parse: '%2 = multiply(%0, 3) : float32[2,3]' uses 3, "
    "which no line before defines",
    TEXT.replace("(%0, %1)", "(%0, axes=x)"): "parse: '%2 = multiply(%0, axes=x) : float32[2,3]' "
    "has a wrong axes: axes=x",
    TEXT.replace("return %2", "return %9"): "parse: 'return %9' returns %9, which no line defines",
}


@pytest.mark.parametrize("text", WRONG)
def test_parse_names_the_line_that_is_wrong(text):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == WRONG[text]


def test_a_host_call_cannot_be_parsed():
    text = (
        "graph() {\n  %0 = host(call='f', types=(((), dtype('int64')),)) : int64[]\n  return %0\n}"
    )
    with pytest.raises(ValueError, match="has a wrong types"):
        parse(text)


F4 = np.dtype("f4")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: Node("exponential", (x,), {}, (2, 3), F4), "exponential is no operation"),
        (lambda x: Node("exp", (x,), {}, (2, 3), np.dtype("f8")), "should be float32"),
        (lambda x: Node("exp", (x,), {}, (3, 2), F4), r"should be float32\[2, 3\]"),
        (lambda x: Node("sum", (x,), {"axes": (2,)}, (2,), F4), r"axes \(2,\) of"),
        (lambda x: Node("add", (x,), {}, (2, 3), F4), "2 operands of one dtype are needed"),
        (lambda x: Node("exp", (input_node((2, 3), F4),), {}, (2, 3), F4), "should|input"),
    ],
)  # fmt: skip
def test_verify_finds_what_no_rule_allows(make, message):
    x = input_node((2, 3), F4)
    with pytest.raises(AssertionError, match=message):
        verify(Graph([x], [make(x)]))
