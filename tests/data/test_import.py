import ast
import subprocess
import sys
from importlib.resources import files

import descend.data


def test_every_public_name_is_there_and_documented():
    for name in descend.data.__all__:
        assert getattr(descend.data, name).__doc__
    assert sorted(descend.data.__all__) == descend.data.__all__


def test_nothing_heavy_is_imported():
    code = "import sys, descend.data; print(*{n.split('.')[0] for n in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not {"scipy", "PIL", "pooch", "matplotlib"} & set(result.stdout.split())


def test_it_stands_alone():
    allowed = {"numpy", "PIL", "pooch", *sys.stdlib_module_names}
    for file in files("descend.data").iterdir():
        if not file.name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                alone = name.startswith("descend.data.") or name.split(".")[0] in allowed
                assert alone, f"{file.name} imports {name}"
