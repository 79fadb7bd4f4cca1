"""Random programs of 1 to 30 operations answer the same compiled and eagerly.

A program is Python source: what Hypothesis prints when one fails can be pasted and run.
"""

import contextlib
import importlib
import textwrap
import unittest.mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import descend
import descend.functions as F
from descend import Parameter, Variable

LARGEST = 1e3
"""Programs whose numbers leave this range are about rounding, not about the compiler."""
MOST = 4096
"""Elements of a value."""

DTYPES = ["float64"] * 6 + ["float32", "int64", "int32", "bool", "uint8"]


class Program:
    """Source, what goes into it, and the Variables that it reads and writes."""

    def __init__(self):
        self.inputs = []
        """(name, shape, dtype, kind): kind is "array", "Variable" or "Parameter"."""
        self.lines = []
        self.results = []

    @property
    def source(self):
        names = [name for name, _, _, kind in self.inputs if kind != "Parameter"]
        body = "\n".join([*self.lines, f"return {', '.join(self.results)},"])
        return f"def program({', '.join(names)}):\n{textwrap.indent(body, '    ')}"

    def __repr__(self):
        kinds = [f"# {n}: {kind} {dtype}{list(shape)}" for n, shape, dtype, kind in self.inputs]
        return "\n" + "\n".join([*kinds, self.source]) + "\n"

    def arguments(self, number):
        """New arguments by name."""
        rng = np.random.default_rng(number)
        return {
            name: variable_or_array(numbers(rng, shape, dtype), kind)
            for name, shape, dtype, kind in self.inputs
        }

    def function(self, given):
        """The function, with the Parameters that it has."""
        scope = {"np": np, "F": F, "Variable": Variable, "descend": descend}
        scope.update((n, given[n]) for n, _, _, kind in self.inputs if kind == "Parameter")
        exec(self.source, scope)
        return scope["program"]


def numbers(rng, shape, dtype):
    """Random numbers, no two of them equal where they are floating."""
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.startswith("float"):
        return np.asarray(rng.uniform(-1.5, 1.5, shape)).astype(dtype)
    return np.asarray(rng.integers(0 if dtype == "uint8" else -4, 5, shape)).astype(dtype)


def variable_or_array(array, kind):
    if kind == "array":
        return array
    return (Parameter if kind == "Parameter" else Variable)(array)


# ---- making programs --------------------------------------------------------------------------


class Writer:
    """Writes a program line by line, and runs each at once to know shapes and dtypes."""

    def __init__(self, draw):
        self.draw = draw
        self.program = Program()
        self.values = {}
        self.exact = set()
        """Values without rounding errors: what jumps (a comparison, an argmax) may take these."""
        self.scope = {"np": np, "F": F, "Variable": Variable, "descend": descend}

    def pick(self, choices):
        return self.draw(st.sampled_from(list(choices)))

    def number(self, low, high):
        return self.draw(st.integers(low, high))

    def input(self, shape, dtype, kind):
        inputs = self.program.inputs
        letter = "w" if kind == "Parameter" else "x"
        name = f"{letter}{sum(n[0] == letter for n, *_ in inputs)}"
        inputs.append((name, shape, dtype, kind))
        array = numbers(np.random.default_rng(len(inputs)), shape, dtype)
        self.values[name] = self.scope[name] = variable_or_array(array, kind)
        self.exact.add(name)

    def line(self, expression, exact=False):
        """Add a line, if it runs and its numbers are tame."""
        try:
            with np.errstate(all="ignore"):
                value = eval(expression, self.scope)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        data = value.data if isinstance(value, Variable) else value
        if not isinstance(data, (np.ndarray, np.generic)) or data.size > MOST:
            return None
        if data.dtype.kind in "fiu" and data.size:
            largest = np.abs(data.astype(float)).max()
            if not largest < LARGEST:
                return None
        if data.dtype.kind not in "fiub":
            return None
        name = f"v{sum(v[0] == 'v' for v in self.values)}"
        self.program.lines.append(f"{name} = {expression}")
        self.values[name] = self.scope[name] = value
        if exact:
            self.exact.add(name)
        return name

    # ---- choosing operands ----

    def shape(self, name):
        return tuple(self.values[name].shape)

    def any(self, kinds="fiub", least=0, exact=False):
        """The name of a value, later ones more often; None if there is none of these kinds."""
        names = [
            name
            for name, value in self.values.items()
            if value.dtype.kind in kinds
            and len(value.shape) >= least
            and (not exact or name in self.exact)
        ]
        return self.pick(names[::-1]) if names else None

    def fitting(self, name, kinds="f"):
        """A value that broadcasts with another."""
        shape = self.shape(name)
        names = []
        for other, value in self.values.items():
            with contextlib.suppress(ValueError):
                np.broadcast_shapes(shape, value.shape)
                if value.dtype.kind in kinds:
                    names.append(other)
        return self.pick(names[::-1])

    def axis(self, name):
        return self.number(-len(self.shape(name)), len(self.shape(name)) - 1)

    def axes(self, name):
        """An argument axis=: None, a number or several."""
        rank = len(self.shape(name))
        if not rank or self.number(0, 3) == 0:
            return None
        chosen = self.draw(
            st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True)
        )
        return chosen[0] if len(chosen) == 1 else tuple(chosen)

    # ---- operations ----

    def unary(self):
        x = self.any("f")
        if x is None:
            return
        forms = (
            "F.exp({}) F.tanh({}) F.sin({}) F.cos({}) F.sigmoid({}) F.square({}) -{} F.abs({}) "
            "F.gelu({}) F.erf({}) {}**2 {}**3 2.5*{} {}-0.75 1/({}*{}+1) F.sqrt({}*{}+0.5) "
            "F.log(F.abs({})+1.5) F.log1p({}**2) F.expm1({}) F.stop_gradient({}) {}*{} "
            "F.logsigmoid({})"
        ).split()
        self.line(self.pick(forms).replace("{}", x))

    def binary(self):
        x = self.any("f")
        if x is None:
            return
        y = self.fitting(x)
        forms = "{x}+{y} {x}-{y} {x}*{y} {y}-{x} {x}/({y}*{y}+0.75) F.tanh({x})*{y}".split()
        self.line(self.pick(forms).format(x=x, y=y))

    def whole(self):
        x = self.any("iub")
        if x is None:
            return
        y = self.fitting(x, "iub")
        forms = (
            "{x}+{y} {x}*{y} {x}&{y} {x}|{y} {x}^{y} {x}==1 {x}<{y} {x}>={y} {x}//3 {x}%3 "
            "np.maximum({x},{y}) {x}!={y} F.sum({x},axis=-1) F.any({x}) F.max({x},axis=0) "
            "F.all({x},axis=0) F.astype({x},np.float64) F.cumsum({x},axis=0)"
        ).split()
        form = self.pick(forms)
        operands = {"x": x, "y": y}
        for key, name in operands.items():
            if isinstance(self.values[name], Variable):
                operands[key] = f"{name}.data"
        self.line(form.format(**operands), exact=True)

    def jump(self):
        """What jumps where its operand is changed a little."""
        x = self.any("f", exact=True)
        if x is None:
            return
        y = self.fitting(x)
        forms = (
            "F.where({x}>0.123,{x},{y}) F.where({x}<={y},{y},0.5) F.maximum({x},0.25) "
            "F.max({x},axis=0) "
            "F.min({x},axis=-1) F.relu({x}) {x}>0.123 F.argmax({x},axis=-1) F.argmin({x},axis=0) "
            "F.clip({x},-0.5,0.75) F.argsort({x},axis=-1) F.sign({x}) F.minimum({x},{x}*{x}) "
            "F.leaky_relu({x}) F.max({x})"
        ).split()
        form = self.pick(forms)
        if "{y}" in form and y not in self.exact:
            form = form.replace("<={y}", "<=0.2")
        self.line(form.format(x=x, y=y), exact=form.startswith(("F.arg", "F.max({x}", "{x}>")))

    def reduce(self):
        x = self.any("f")
        if x is None:
            return
        op = self.pick(["sum", "sum", "mean", "var", "logsumexp", "std", "prod"])
        keep = self.pick([", keepdims=True", ""])
        shift = " + 0.01" if op == "std" else ""
        self.line(f"F.{op}({x}, axis={self.axes(x)}{keep}){shift}")

    def along(self):
        x = self.any("f", least=1)
        if x is None:
            return
        op = self.pick(["softmax", "log_softmax", "cumsum"])
        self.line(f"F.{op}({x}, axis={self.axis(x)})")

    def view(self):
        x = self.any(least=1)
        if x is None:
            return
        shape = self.shape(x)
        rank = len(shape)
        form = self.number(0, 9)
        if form <= 2:
            expression = f"{x}[{self.slices(shape)}]"
        elif form == 3:
            axes = self.draw(st.permutations(range(rank)))
            expression = f"F.transpose({x}, {tuple(axes)})"
        elif form == 4:
            expression = f"F.reshape({x}, {self.other_shape(shape)})"
        elif form == 5:
            expression = f"F.expand_dims({x}, {self.number(-rank - 1, rank)})"
        elif form == 6:
            lead = tuple(self.draw(st.lists(st.integers(1, 3), max_size=2)))
            wider = tuple(self.number(1, 4) if n == 1 else n for n in shape)
            expression = f"F.broadcast_to({x}, {(*lead, *wider)})"
        elif form == 7:
            expression = f"F.swapaxes({x}, {self.axis(x)}, {self.axis(x)})"
        elif form == 8:
            expression = f"F.squeeze({x})"
        else:
            expression = f"F.flatten({x})" if rank > 1 else f"{x}[::-1]"
        self.line(expression, exact=x in self.exact)

    def slices(self, shape):
        parts = []
        for n in shape[: self.number(1, len(shape))]:
            kind = self.number(0, 4)
            if kind == 0:
                parts.append(":")
            elif kind == 1 and n:
                parts.append(str(self.number(-n, n - 1)))
            elif kind == 2:
                parts.append(f"::{self.pick([-1, 2, -2, 3])}")
            elif kind == 3:
                parts.append(f"{self.number(0, n)}:{self.number(0, n + 1)}")
            else:
                parts.append(self.pick(["None", "-1:", ":-1", "1:", "..."]))
        if parts.count("...") > 1:
            parts = [p if p != "..." else ":" for p in parts]
        return ", ".join(parts)

    def other_shape(self, shape):
        size = int(np.prod(shape))
        divisors = [n for n in range(1, size + 1) if size % n == 0] or [0]
        first = self.pick(divisors)
        if not size:
            return (0, *shape)
        rest = size // first
        second = self.pick([n for n in range(1, rest + 1) if rest % n == 0])
        return self.pick([(first, rest), (first, second, rest // second), (size,), (first, -1)])

    def indexed(self):
        x = self.any(least=1)
        if x is None or not self.shape(x)[0]:
            return
        n = self.shape(x)[0]
        index = self.draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=5))
        forms = [f"F.getitem({x}, np.array({index}))", f"F.take({x}, np.array({index}), axis=0)"]
        last = self.shape(x)[-1]
        if last:
            forms.append(f"{x}[..., np.array({[i % last for i in index]})]")
        place = [p for p in self.values if self.values[p].dtype.kind == "i" and p in self.exact]
        if place:
            p = self.pick(place)
            p = f"{p}.data" if isinstance(self.values[p], Variable) else p
            forms.append(f"F.getitem({x}, {p} % {n})")
        self.line(self.pick(forms), exact=x in self.exact)

    def join(self):
        x = self.any("f", least=1)
        if x is None:
            return
        axis = self.axis(x)
        shape = self.shape(x)
        others = [
            name
            for name, value in self.values.items()
            if value.dtype.kind == "f"
            and len(value.shape) == len(shape)
            and all(
                a == b
                for i, (a, b) in enumerate(zip(value.shape, shape, strict=True))
                if i != axis % len(shape)
            )
        ]
        y = self.pick(others[::-1])
        forms = [
            f"F.concatenate([{x}, {y}, {x}], axis={axis})",
            f"F.stack([{x}, {x}], axis={axis})",
        ]
        rank = len(shape)
        pads = tuple((self.number(0, 2), self.number(0, 2)) for _ in range(rank))
        forms.append(f"F.pad({x}, {pads})")
        self.line(self.pick(forms))

    def product(self):
        x = self.any("f", least=1)
        if x is None:
            return
        n = self.shape(x)[-1]
        rights = [
            f"F.swapaxes({name}, -1, -2)" if flip else name
            for name, value in self.values.items()
            for flip in (False, True)
            if value.dtype.kind == "f"
            and len(value.shape) > flip
            and (value.shape[-1] if flip or len(value.shape) == 1 else value.shape[-2]) == n
        ]
        if rights:
            self.line(f"F.matmul({x}, {self.pick(rights)})")

    def cast(self):
        x = self.any("fiub")
        if x is None:
            return
        floats = self.values[x].dtype.kind == "f"
        dtype = self.pick(
            ["float64", "float32"] if floats else ["float64", "float32", "int64", "bool"]
        )
        self.line(f"F.astype({x}, np.dtype({dtype!r}))", exact=x in self.exact and not floats)

    def drop(self):
        x = self.any("f")
        if x is not None:
            self.line(f"F.dropout({x}, 0.5, rng={self.number(0, 3)})")

    def write(self):
        """An update of a Parameter in place."""
        name = self.any()
        parameters = [n for n in self.values if n[0] == "w"]
        if not parameters or name is None:
            return
        w = self.pick(parameters)
        value = self.values[name]
        if (value.shape, value.dtype) != (self.values[w].shape, self.values[w].dtype):
            fits = [
                n
                for n, v in self.values.items()
                if (v.shape, v.dtype) == (self.values[w].shape, self.values[w].dtype) and n != w
            ]
            if not fits:
                if self.values[w].dtype.kind == "f" and self.values[w].shape:
                    self.update(w, f"0.5*{w}.data")
                return
            name = self.pick(fits[::-1])
        data = f"{name}.data" if isinstance(self.values[name], Variable) else name
        form = self.pick(["{}", "{} + {w}.data", "{w}.data + {}*0.5", "{w}.data[::-1] + {}"])
        if self.values[w].dtype.kind != "f" or not self.values[w].shape:
            form = "{}"
        self.update(w, form.format(data, w=w), exact=name in self.exact and form == "{}")

    def update(self, w, expression, exact=False):
        value = eval(expression, self.scope)
        data = np.abs(np.asarray(value, float))
        if data.size and not data.max() < LARGEST:
            return
        self.scope[w].data = np.array(value)
        self.program.lines.append(f"{w}.data = {expression}")
        if not exact:
            self.exact.discard(w)

    def finish(self, backward):
        """The results; with ``backward``, gradients too."""
        program = self.program
        names = list(self.values)
        count = self.number(1, min(4, len(names)))
        chosen = list(dict.fromkeys([names[-1], *(self.pick(names) for _ in range(count))]))
        if backward:
            floats = [
                n
                for n in names
                if isinstance(self.values[n], Variable) and self.values[n].requires_grad
            ]
            if floats:
                roots = list(dict.fromkeys([floats[-1], self.pick(floats)]))
                total = " + ".join(f"F.sum(F.sin({n}))" for n in roots)
                program.lines.append(f"loss = {total}")
                program.lines.append("loss.backward()")
                chosen = [f"{n}.data" if n in floats else n for n in chosen]
        program.results = chosen
        return program


OPERATIONS = (
    [Writer.unary] * 4 + [Writer.binary] * 5 + [Writer.reduce] * 3 + [Writer.view] * 5
    + [Writer.whole, Writer.jump, Writer.along, Writer.indexed, Writer.join, Writer.product]
    + [Writer.cast, Writer.drop, Writer.write, Writer.write]
)  # fmt: skip


@st.composite
def programs(draw, most=30):
    """A program of 1 to ``most`` operations."""
    writer = Writer(draw)
    lengths = draw(
        st.lists(st.sampled_from([3, 4, 1, 2, 5, 7, 8, 16, 0, 33]), min_size=3, max_size=3)
    )
    for i in range(draw(st.integers(1, 4))):
        rank = draw(st.integers(0, 3))
        shape = tuple(1 if draw(st.integers(0, 4)) == 4 else n for n in lengths[3 - rank :])
        dtype = draw(st.sampled_from(DTYPES)) if i else "float64"
        kind = draw(st.sampled_from(["Variable", "Parameter", "array"]))
        writer.input(shape, dtype, kind)
    for operation in draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=most)):
        operation(writer)
    return writer.finish(draw(st.booleans()))


# ---- comparing --------------------------------------------------------------------------------


def run(program, change):
    """All that two calls answer and leave behind, by name."""
    given = program.arguments(0)
    function = change(program.function(given))
    found = {}
    for call in range(2):
        fresh = program.arguments(call)
        arguments = {n: fresh[n] for n, _, _, kind in program.inputs if kind != "Parameter"}
        with np.errstate(all="ignore"):
            results = function(**arguments)
        for i, y in enumerate(results):
            found[f"call {call}, result {i}"] = copied(y)
        for name, x in {**given, **arguments}.items():
            if isinstance(x, Variable):
                found[f"call {call}, {name}"] = x.data.copy()
                found[f"call {call}, {name}.grad"] = None if x.grad is None else copied(x.grad)
    return found


def copied(x):
    """As it is now: a Parameter that is answered goes on to change."""
    return Variable(x.data.copy(), None, False) if isinstance(x, Variable) else np.array(x)


def check(program):
    """Assert that a program does the same compiled and eagerly."""
    expected = run(program, lambda function: function)
    got = run(program, descend.compile)
    short = any("float32" in line for line in (*program.lines, *(i[2] for i in program.inputs)))
    tolerance = 1e-3 if short else 1e-8
    for name, y in expected.items():
        x = got[name]
        assert (x is None) == (y is None), name
        if y is None:
            continue
        if isinstance(y, Variable):
            assert isinstance(x, Variable), name
            x, y = x.data, y.data
        y = np.asarray(y)
        assert x.shape == y.shape and x.dtype == y.dtype, f"{name}: {x!r} is not like {y!r}"
        if y.dtype.kind in "iub":
            np.testing.assert_array_equal(x, y, name)
            continue
        finite = np.abs(y[np.isfinite(y)]).max(initial=1)
        np.testing.assert_allclose(x, y, tolerance, tolerance * finite, err_msg=name)


def search(number, examples, most=30):
    """Run ``examples`` random programs: always the same for one number."""

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(programs(most))
    def agree(program):
        check(program)

    agree()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Thousands of kernels that nobody needs again."""
    monkeypatch.setenv("DESCEND_CACHE", "")


@pytest.mark.parametrize("number", range(5))
def test_programs(number):
    search(number, 75)


@pytest.mark.slow
@pytest.mark.parametrize("number", [*range(5, 20), *range(1000, 1200)])
def test_many_programs(number):
    search(number, 200)


PASSES = "descend.compile.passes"

SWITCHES = {
    **{
        f"without-{name}": lambda name=name: unittest.mock.patch.dict(
            module_of("").PASSES, {name: lambda graph: graph}
        )
        for name in ("simplify", "products", "layout", "cse")
    },
    "without-merging": lambda: unittest.mock.patch(
        f"{PASSES}.merge._mergeable", return_value=False
    ),
    "without-arranging": lambda: patched("fuse", "arranged", lambda loop: loop),
    "without-joined-bands": lambda: patched("schedule", "_aligned", lambda *given: False),
    "without-local-memory": lambda: patched("schedule", "_find_locals", lambda bands: None),
    "without-memory-in-place": lambda: patched_runtime(_may_share=lambda *given: False),
    "several-threads": lambda: patched_runtime(SMALL=0),
}


def module_of(name):
    """By its full name: some passes are functions of the same name."""
    return importlib.import_module(f"{PASSES}{name}")


def patched(module, name, value):
    return unittest.mock.patch.object(module_of(f".{module}"), name, value)


def patched_runtime(**values):
    return unittest.mock.patch.multiple("descend.compile.run.runtime", **values)


@pytest.mark.parametrize("switch", SWITCHES)
def test_programs_without_a_pass(switch):
    with SWITCHES[switch]():
        search(100, 40, most=15)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("switch", SWITCHES)
def test_many_programs_without_a_pass(switch, number):
    with SWITCHES[switch]():
        search(2000 + number, 200)
