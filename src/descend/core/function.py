"""One call of an operation, remembered so that its derivative can be taken."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)
# The slot behind Variable.data is read directly here: a property costs a call in the hottest place.

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from weakref import ref

import numpy as np
from numpy import ndarray

from descend.core import acceleration, debugging
from descend.core.arrays import Array, Overridden, Overriding, as_array, is_array
from descend.core.config import config
from descend.core.errors import OperandError, shape_of
from descend.core.variable import Variable, as_variable, output

NUMBERS = (int, float, complex, np.generic)

Edge = tuple[Any, int, tuple[int, ...], Any]
"""Where an input came from: (source, index, shape, dtype). The source is the leaf Variable itself,
or the Function whose output ``index`` the input is: the Variable in between may go."""


class Function:
    """The base of every operation that has a derivative rule; one instance is one call.

    ``forward`` gets arrays and answers an array, or a tuple of them. ``backward`` gets the gradient
    of each output and answers one for each input (None where there is none)::

        class Tanh(Function):
            def forward(self, x):
                return get_array_module(x).tanh(x)

            def backward(self, gy, *, y):
                return gy * (1 - y * y)

        y = Tanh()(x)

    The keyword-only names of ``backward`` are all that the graph keeps alive: an argument of
    ``forward`` by its name, the output ``y`` (``y0``, ``y1`` when several), ``x_shape``,
    ``x_dtype``, or what ``forward`` handed to `keep`. The rule runs on plain arrays, or, with
    ``create_graph``, on the very Variables that they came from: the same text gives the next
    derivative. It need not undo broadcasting: `backward.propagate` does that, once for all.

    A rule in the notebook's style, ``backward(self, gy)`` that reads ``self.inputs`` or
    ``self.outputs``, works too; then these Variables are kept.
    """

    name: ClassVar[str] = "function"
    """The operation's name in messages."""

    samples: ClassVar[tuple[Any, ...]] = ()
    """Inputs that show what the operation does; `descend.testing` checks the rule on them."""

    kept_for: ClassVar[dict[str, int]] = {}
    """Arguments that the gradient of one input alone needs: ``{"x0": 1}`` keeps x0 for that of x1,
    and hands None to the rule where x1 is a constant."""

    elementwise: ClassVar[bool] = False
    """Whether each element of the output depends on the elements in its own place only."""

    needs_values: ClassVar[bool] = False
    """Whether ``forward`` asks for numbers, so that no recorder can run it."""

    native_forward: ClassVar[bool] = False
    """Whether ``forward`` is better left to the compiler for calls that `is_large`."""

    native_rule: ClassVar[bool] = False
    """Whether ``backward`` is, too, where a gradient is large."""

    argument_names: ClassVar[tuple[str, ...]] = ()
    _keeps: ClassVar[tuple[tuple[str, str, int, int | None], ...]] = ()

    generation: int
    """The largest generation of the inputs."""
    edges: list[Edge | None]
    """Where each input came from; None for a constant."""
    outputs: list[ref[Variable]]
    """The outputs, held weakly: they hold this."""
    kept: dict[str, Any]
    """The arrays and facts that backward's keyword-only arguments get."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        cls.argument_names = _argument_names(cls.forward)
        if "backward" in vars(cls) and {"inputs", "outputs"} & {*cls.backward.__code__.co_names}:
            cls.backward = _notebook_rule(cls.backward)
        names = _keyword_only_names(cls.backward)
        cls._keeps = tuple(
            (name, *_source_of(name, cls.argument_names), cls.kept_for.get(name)) for name in names
        )

    def forward(self, *xs: Any) -> Any:
        """The value, from arrays."""
        raise NotImplementedError(f"{self.name}: the class has no forward")

    def backward(self, *gys: Any, **kept: Any) -> Any:
        """The gradient of each input, from the gradient of each output."""
        raise NotImplementedError(
            f"{self.name}: there is no derivative; detach() the input to treat it as a constant"
        )

    def like(self, *xs: Any) -> Any:
        """Any arrays of the shapes and dtypes that ``forward`` answers, if it `needs_values`."""
        raise NotImplementedError(f"{self.name}: the class has no like")

    def complaint(self, *xs: Any) -> str | None:
        """Why ``forward`` refused these arrays, in one sentence, where NumPy's own is unclear."""
        return None

    def is_large(self, xs: Sequence[Any]) -> bool:
        """Whether a native program for this call is worth its price, by the sizes alone."""
        return acceleration.any_is_large(xs)

    def keep(self, **values: Any) -> None:
        """Hand values of ``forward`` to ``backward``'s keyword-only arguments of these names.

        For what does not depend differentiably on the inputs (indices, masks, sizes): a second
        derivative takes it for a constant.
        """
        self._handed = values

    # ---- the call ---------------------------------------------------------------------------

    def __call__(self, *xs: Any) -> Any:
        """Arrays in, arrays out; as soon as one is a Variable, Variables out."""
        settings = config()
        trace = settings.trace
        if trace is not None:
            xs = trace.operands(xs)
        elif not settings.debug:
            for x in xs:
                if type(x) is not ndarray:
                    break
            else:  # as in a rule's own computation, where nothing is remembered
                return self._of_arrays(xs)
        variables = remembered = False
        generation = 0
        arrays: list[Any] = []
        edges: list[Edge | None] = []
        try:
            for x in xs:
                if not isinstance(x, Variable):
                    arrays.append(x if type(x) is ndarray else self._operand(x, len(arrays)))
                    edges.append(None)
                    continue
                variables = True
                array = x._data if trace is None else trace.read(x)
                arrays.append(array)
                if x.requires_grad:
                    remembered = True
                    edges.append((x.creator or x, x.index, array.shape, array.dtype))
                    if x.generation > generation:
                        generation = x.generation
                else:
                    edges.append(None)
            if trace is not None:
                y = trace.forward(self, arrays)
            elif self.native_forward and self.is_large(arrays):
                y = acceleration.forward(self, arrays)
            else:  # one argument is the commonest case, and a call without a star costs half
                y = self.forward(arrays[0]) if len(arrays) == 1 else self.forward(*arrays)
            if type(y) is list:
                y = tuple(y)
        except Exception as error:
            return self._rescued(error, xs, arrays)

        if settings.debug:
            debugging.check_values(self, arrays, y)
        if not variables:
            return _arrays(y)
        if not (remembered and settings.enable_backprop):
            return _constants(y)

        self.edges = edges
        self.generation = generation
        if type(y) is tuple:
            y = ys = tuple([output(part, self, index) for index, part in enumerate(y)])
            self.outputs = [ref(part) for part in ys]
            self.output_types = [(part.shape, part.dtype) for part in ys]
        else:
            y = output(y, self)
            ys = (y,)
            self.outputs = [ref(y)]
        self.kept = self._what_the_rule_names(arrays, ys) if self._keeps else {}
        if settings.debug:
            debugging.watch(self)
        return y

    def _of_arrays(self, xs: tuple[Any, ...]) -> Any:
        """The call where only NumPy's arrays came."""
        try:
            if self.native_forward and self.is_large(xs):
                return _arrays(acceleration.forward(self, xs))
            y = self.forward(*xs)
            return y if type(y) is ndarray else _arrays(y)
        except Exception as error:
            return self._rescued(error, xs, xs)

    def _rescued(self, error: Exception, xs: Sequence[Any], arrays: Sequence[Any]) -> Any:
        """The answer of an argument that does the call itself; an error in the operation's name."""
        if isinstance(error, Overridden):
            return error.by.apply(self, tuple(xs))
        if isinstance(error, OperandError):
            raise TypeError(f"{self.name}: {error}") from None
        if isinstance(error, (ValueError, TypeError, IndexError)):
            raise self._refusal(error, arrays) from error
        if isinstance(error, AttributeError) and any(
            isinstance(x, Variable) and x._data is None for x in xs
        ):
            raise TypeError(f"{self.name}: Variable(None) came, it holds no array yet") from None
        raise error

    def _operand(self, x: Any, index: int) -> Any:
        """A raw argument as ``forward`` gets it; OperandError for what is none."""
        if isinstance(x, NUMBERS):
            return x
        if isinstance(x, Overriding):
            raise Overridden(x)
        defaults = len(self.forward.__defaults__ or ())
        names = self.argument_names
        if x is None and len(names) - defaults <= index < len(names):
            return None  # left out, as it may be
        return _operand(x, names[index] if index < len(names) else "")

    def _what_the_rule_names(self, arrays: list[Any], ys: tuple[Variable, ...]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, source, index, wanted in self._keeps:
            if wanted is not None and self.edges[wanted] is None:
                kept[name] = None
            elif source == "input":
                kept[name] = arrays[index] if index < len(arrays) else None
            elif source == "output":
                kept[name] = ys[index]._data
            elif source == "all":
                kept[name] = (tuple(arrays), tuple(y.data for y in ys))
            else:
                kept[name] = self._fact(name, source, index, arrays)
        return kept

    def _fact(self, name: str, fact: str, index: int, arrays: list[Any]) -> Any:
        """What a rule wants to know besides arrays: a shape, a dtype, what forward handed on."""
        if fact == "shape":
            return getattr(arrays[index], "shape", ())
        if fact == "dtype":
            return arrays[index].dtype
        return self._handed[name]

    def _refusal(self, error: Exception, arrays: Sequence[Any]) -> Exception:
        """The same kind of error in a sentence that names the operation and what came."""
        sentence = self.complaint(*arrays)
        if sentence is None:
            names = self.argument_names
            if len(names) == 1 and len(arrays) > 1:
                names = [f"x{i}" for i in range(len(arrays))]
            shapes = [f"{name} {shape_of(x)}" for name, x in zip(names, arrays, strict=False)]
            sentence = ": ".join([", ".join(shapes), str(error)] if shapes else [str(error)])
        kinds = (TypeError, IndexError, np.linalg.LinAlgError, ValueError)  # the narrower first
        kind = next(k for k in kinds if isinstance(error, k))
        return kind(f"{self.name}: {sentence}")

    # ---- the rule ---------------------------------------------------------------------------

    @property
    def needs(self) -> tuple[bool, ...]:
        """Whether the gradient of each input is wanted."""
        return tuple([edge is not None for edge in self.edges])

    def gradients(self, gys: list[Any], edges: list[Edge | None], create_graph: bool) -> Any:
        """What the rule answers for the inputs with an edge; on Variables with ``create_graph``."""
        kept = self._kept_as_variables() if create_graph else self.kept
        rule = self
        if edges is not self.edges:  # fewer are wanted; a copy, as another thread may walk here too
            rule = object.__new__(type(self))
            rule.__dict__.update(self.__dict__, edges=edges)
        if self.native_rule and not create_graph:
            return acceleration.backward(rule, gys)
        return rule.backward(*gys, **kept)

    def _kept_as_variables(self) -> dict[str, Any]:
        """What is kept, as the Variables it came from: the next derivative runs through them."""
        kept = dict(self.kept)
        for name, source, index, _ in self._keeps:
            if source == "input":
                kept[name] = self._input(index, kept[name])
            elif source == "output":
                kept[name] = _alive(self, index, kept[name])
        return kept

    def _input(self, index: int, array: Array) -> Any:
        """An input as the Variable it came from; a constant as it is."""
        edge = self.edges[index] if array is not None else None
        if edge is None:
            return array
        source, place, _, _ = edge
        if not isinstance(source, Variable):
            return _alive(source, place, array)
        trace = config().trace
        now = source._data if trace is None else trace.read(source)
        return source if now is array else _earlier(source, array)

    @property
    def inputs(self) -> list[Any]:
        """The Variables this call was made with.

        One whose array nobody keeps answers a `FreedVariable`, a constant that nobody keeps None.
        """
        kept = {i: self.kept[name] for name, source, i, _ in self._keeps if source == "input"}
        if "held" in self.kept:
            kept = dict(enumerate(self.kept["held"][0]))
        return [self._input_or_freed(i, kept.get(i)) for i in range(len(self.edges))]

    def _input_or_freed(self, index: int, array: Any) -> Any:
        edge = self.edges[index]
        if array is not None:
            return as_variable(self._input(index, array))
        if edge is None:
            return None
        source, place, shape, dtype = edge
        if isinstance(source, Variable):
            return source
        x = source.outputs[place]()
        return FreedVariable(source, shape, dtype) if x is None else x


class FreedVariable:
    """Stands for a Variable between two calls that the user let go and whose array no rule kept."""

    def __init__(self, creator: Function, shape: tuple[int, ...], dtype: Any) -> None:
        self.creator = creator
        self.generation = creator.generation + 1
        self.shape = shape
        self.dtype = dtype

    @property
    def data(self) -> Any:
        """RuntimeError: the array is gone."""
        raise RuntimeError(
            f"{self.creator.name}: the output {self.shape} of this call was freed; a rule that "
            f"needs it names it among backward's keyword-only arguments"
        )

    def __repr__(self) -> str:
        return f"FreedVariable({self.creator.name}, {self.shape}, {self.dtype})"


def _notebook_rule(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that reads ``self.inputs`` and ``self.outputs``, which must be there when it runs."""

    def backward(self: Function, *gys: Any, held: tuple[Any, Any]) -> Any:
        alive = [_alive(self, i, array) for i, array in enumerate(held[1])]
        self.outputs = [ref(y) for y in alive]
        return rule(self, *gys)

    return backward


def _argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The positional arguments of a method but for self. (inspect.signature takes 50 times longer,
    which at 60 classes an import would feel.)"""
    code = function.__code__
    names = code.co_varnames[1 : code.co_argcount]
    if code.co_flags & inspect.CO_VARARGS:
        names += (code.co_varnames[code.co_argcount + code.co_kwonlyargcount],)
    return names


def _keyword_only_names(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


def _source_of(name: str, arguments: tuple[str, ...]) -> tuple[str, int]:
    """Where the value of a keyword-only argument of backward comes from."""
    if name in arguments:
        return "input", arguments.index(name)
    if name == "held":
        return "all", 0
    if re.fullmatch(r"y\d*", name):
        return "output", int(name[1:] or 0)
    stem, _, fact = name.rpartition("_")
    if fact in ("shape", "dtype") and stem in arguments:
        return fact, arguments.index(stem)
    return "handed", 0


def _operand(x: Any, place: str = "") -> Any:
    """A raw argument: numbers stay what they are (they never promote), lists become arrays."""
    if isinstance(x, NUMBERS) or is_array(x):
        return x
    try:
        array = np.asarray(x)
    except ValueError:  # lists of several lengths
        raise OperandError(x, place) from None
    if array.dtype.kind not in "biufc":
        raise OperandError(x, place)
    return array


def as_operand(x: Any) -> Any:
    """What an operation computes with: Variables and arrays as they are, all else as an array."""
    return x if isinstance(x, Variable) else as_array(_operand(x))


def _arrays(y: Any) -> Any:
    """What ``forward`` answered, as arrays."""
    return tuple([as_array(part) for part in y]) if type(y) in (tuple, list) else as_array(y)


def _constants(y: Any) -> Any:
    """What ``forward`` answered, as Variables that nothing is remembered of."""
    if type(y) is tuple:
        return tuple([Variable(as_array(part), None, False) for part in y])
    return Variable(as_array(y), None, False)


def _alive(function: Function, index: int, array: Array) -> Variable:
    """An output with this array: the one the user holds, or a twin in the same place."""
    y = function.outputs[index]()
    return output(array, function, index) if y is None or y._data is not array else y


def _earlier(leaf: Variable, array: Array) -> Variable:
    """What a leaf was before its data was rebound; its gradient still goes to the leaf."""
    x, alias = Variable(array), Alias()
    alias.edges, alias.generation = [(leaf, 0, array.shape, array.dtype)], leaf.generation
    alias.kept, alias.outputs = {}, [ref(x)]
    x.set_creator(alias)
    return x


class Alias(Function):
    """The input itself."""

    elementwise = True

    def forward(self, *xs: Array) -> Array:
        """The input."""
        return xs[0]

    def backward(self, *gys: Any) -> Any:
        """The gradient."""
        return gys[0]
