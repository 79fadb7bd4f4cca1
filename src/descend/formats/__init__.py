"""Files that other programs read too, written in one piece or not at all.

`atomic` replaces a file whole, `safetensors` holds named arrays (weights under PyTorch's names),
`tree` nested dicts of arrays and numbers (the state of a training run). Nothing is ever unpickled.
"""

from descend.formats.atomic import remove_leftovers as remove_leftovers
from descend.formats.atomic import write_atomically as write_atomically
from descend.formats.safetensors import load_safetensors as load_safetensors
from descend.formats.safetensors import save_safetensors as save_safetensors
from descend.formats.tree import load_tree as load_tree
from descend.formats.tree import save_tree as save_tree
