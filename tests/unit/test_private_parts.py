"""Private parts of other libraries are used in the workarounds alone, and are still there."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

OURS = ("asr_core", "widgets", "pages", "benchmarks", "scripts")
FILES = [path for folder in OURS for path in sorted(Path(folder).rglob("*.py"))]
WORKAROUNDS = [path for path in FILES if "workarounds" in path.parts]
STREAMLIT_INTERNALS = re.compile(r"streamlit\.(?:runtime|web|proto|auth_util|net_util)\b")
NAMED_TUPLE = {"_replace", "_asdict", "_fields"}


def replaced_names(tree: ast.AST) -> Iterator[str]:
    """Names that are set through ``vars(module)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Call) and isinstance(node.slice, ast.Constant):
                yield str(node.slice.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("vars("):
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def private_names(tree: ast.AST) -> Iterator[str]:
    """Names with one underscore that are read, replaced or spelt in a string."""
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
        if isinstance(name, str) and re.fullmatch(r"_[A-Za-z]\w*", name):
            yield re.sub(r"^_[A-Z]\w*?(?=__)", "", name)  # of a name that Python has mangled


def defined_names(tree: ast.AST) -> Iterator[str]:
    """Names of functions, variables and attributes of ``self`` that the file gives a value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if ast.unparse(node.value) == "self" else []


def foreign_modules(tree: ast.AST) -> list[ModuleType]:
    """The modules of other libraries that a file imports, and those of the names from them."""
    found: dict[str, ModuleType] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(OURS):
            module = importlib.import_module(node.module)
            for value in (module, *(getattr(module, alias.name) for alias in node.names)):
                name = (
                    value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")
                )
                if name and not name.endswith("_pb2"):
                    found[name] = importlib.import_module(name)
    return [module for module in found.values() if getattr(module, "__file__", None)]


@pytest.mark.parametrize("path", WORKAROUNDS, ids=str)
def test_the_private_parts_that_a_workaround_uses_are_there(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set(private_names(tree)) - set(defined_names(tree)) | set(replaced_names(tree))
    sources = "\n".join(inspect.getsource(module) for module in foreign_modules(tree))
    assert {name for name in names if not re.search(rf"\b{name}\b", sources)} == set()


def test_nothing_else_uses_a_private_part_of_another_library() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
    own = NAMED_TUPLE.union(*(defined_names(tree) for tree in trees.values()))
    for path in set(FILES) - set(WORKAROUNDS):
        attributes = {n.attr for n in ast.walk(trees[path]) if isinstance(n, ast.Attribute)}
        private = {name for name in attributes if re.fullmatch(r"_[A-Za-z]\w*", name)}
        assert private <= own, f"{path}: {private - own}"
        for node in ast.walk(trees[path]):
            if isinstance(node, ast.ImportFrom) and STREAMLIT_INTERNALS.match(node.module or ""):
                assert [alias.name for alias in node.names] == ["UploadedFile"], path  # a type
