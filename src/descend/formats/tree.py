"""Nested dicts and lists of arrays, numbers and texts in one safetensors file.

The arrays are stored under the path that leads to them (``model.0.weight``), the rest as JSON in
the file's metadata, where ``{"array": path}`` stands in the place of an array.
"""

from __future__ import annotations

import json
import os
from typing import Any

from descend.core.errors import kind_of
from descend.formats.safetensors import load_safetensors, save_safetensors

PLACE = "array"


def save_tree(path: str | os.PathLike[str], tree: dict[str, Any]) -> None:
    """Write a nested dict in one piece: all of it, or the old file stays.

    Variables are saved as their arrays, tuples as lists. Raises TypeError for anything that is
    neither an array, a number, a text, None, nor a dict (with texts as keys) or list of these.
    """
    arrays: dict[str, Any] = {}
    outline = _take_arrays(tree, "", arrays)
    save_safetensors(path, arrays, {"tree": json.dumps(outline)})


def load_tree(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The nested dict that `save_tree` wrote.

    Raises FileNotFoundError where there is no file, ValueError where it is damaged.
    """
    arrays, metadata = load_safetensors(path)
    try:
        return _put_arrays(json.loads(metadata["tree"]), arrays)
    except (KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"load_tree: {path} was not written by save_tree: {error}") from error


def _take_arrays(node: Any, path: str, arrays: dict[str, Any]) -> Any:
    """The JSON that describes ``node``; its arrays go into ``arrays``."""
    if hasattr(node, "dtype"):
        if path in arrays:
            raise ValueError(f"save_tree: two arrays have the path {path!r}: rename one")
        arrays[path] = _array(node)
        return {PLACE: path}
    if isinstance(node, dict):
        wrong = [key for key in node if not isinstance(key, str) or key == PLACE]
        if wrong:
            raise TypeError(f"save_tree: {path or 'the tree'} has the key {wrong[0]!r}: rename it")
        return {key: _take_arrays(value, _join(path, key), arrays) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_take_arrays(value, _join(path, i), arrays) for i, value in enumerate(node)]
    if node is None or isinstance(node, str | int | float):
        return node
    raise TypeError(f"save_tree: {path} is {kind_of(node)}, an array, a number or a text is needed")


def _put_arrays(node: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if PLACE in node:
            return arrays[node[PLACE]]
        return {key: _put_arrays(value, arrays) for key, value in node.items()}
    if isinstance(node, list):
        return [_put_arrays(value, arrays) for value in node]
    return node


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _array(x: Any) -> Any:
    """The array of a Variable; arrays and NumPy's scalars have a buffer named ``data``."""
    return x.data if not isinstance(x.data, memoryview) and hasattr(x.data, "dtype") else x
