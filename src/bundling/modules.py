"""What of the dependencies is deployed: the modules that the function can import, by reading every import statement.

A module is kept if a chain of imports leads to it from the function. All of a module's imports count, also those within
functions and behind conditions, but for two kinds of condition whose answer is known: TYPE_CHECKING is false, and
sys.platform is linux. What no import statement says:

- A module with a `__getattr__` of its own loads parts of its package by name: each string in it that names one counts.
- `import_module` and `__import__` with a string: the string counts.
- A package with compiled modules is kept whole: nobody can read what those import.
- Two imports within functions of others lead far, and are not followed: NOT_FOLLOWED says why they cannot happen.

Beside kept modules their data is kept, and of each distribution its licences, and its METADATA for whoever scans the
deployed bundle. botocore's own data has a rule of its own (aws_data.py).
"""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath

NOT_FOLLOWED = {
    # Turns a pydantic model into JSON for the tracer and for idempotency, which are not used here: 140 modules.
    ("aws_lambda_powertools.shared.functions", "aws_lambda_powertools.event_handler"),
    # Words a warning about a model that uses version 1's hooks, when its class is made: 25 modules.
    ("pydantic._internal._generate_schema", "pydantic.v1"),
}
"""Imports that are there to read, and cannot happen in this function: in which module, and of what."""

_LICENCE = ("LICEN", "COPYING", "NOTICE", "AUTHORS")
_FOR_TYPE_CHECKERS = {"py.typed"}


def trim(folder: Path, function: str) -> None:
    """Remove from a bundle what the function's package cannot import."""
    kept = reachable(folder, function)
    packages = {file.parent for file in kept}
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        if not _is_kept(file.relative_to(folder), file, kept, packages):
            file.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    shutil.rmtree(folder / "bin", ignore_errors=True)


def reachable(folder: Path, function: str) -> set[Path]:
    """Return the files of all modules that a package's modules lead to, itself included."""
    index = {_name(file.relative_to(folder)): file for file in folder.rglob("*.py")}
    found: set[str] = set()
    to_visit = [name for name in index if name.split(".")[0] == function]
    compiled = {file.relative_to(folder).parts[0] for file in folder.rglob("*.so")}
    while to_visit:
        name = to_visit.pop()
        if name in found or name not in index:
            continue
        found.add(name)
        if "." in name:
            to_visit.append(name.rpartition(".")[0])
        if name in compiled:
            to_visit += [other for other in index if other.startswith(f"{name}.")]
        is_package = index[name].name == "__init__.py"
        package = name if is_package else name.rpartition(".")[0]
        to_visit += [
            imported
            for imported in imports(ast.parse(index[name].read_bytes()), package)
            if not any(name == importer and f"{imported}.".startswith(f"{cut}.") for importer, cut in NOT_FOLLOWED)
        ]
    return {index[name] for name in found}


def imports(module: ast.Module, package: str) -> Iterator[str]:
    """Give every name that a module's source, which belongs to a package, may import."""
    for node in _live(module):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = _absolute("." * node.level + (node.module or ""), package)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in _IMPORTING:
                yield from (_absolute(text, package) for text in _strings(node))
    if any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in module.body):
        yield from (f"{package}.{text.lstrip('.')}" for text in _strings(module))


_IMPORTING = {"import_module", "__import__"}


def _live(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk all nodes but those behind a condition that never holds on Lambda."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and (holds := _known(child.test)) is not None:
            for statement in child.body if holds else child.orelse:
                yield from _live(statement)
        else:
            yield from _live(child)


def _known(condition: ast.expr) -> bool | None:
    match condition:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.Compare(left=ast.Attribute(attr="platform"), ops=[ast.Eq()], comparators=[ast.Constant(value=name)]):
            return name == "linux"
    return None


def _absolute(name: str, package: str) -> str:
    """Resolve leading dots: one stands for the package, each further one for the package above."""
    level = len(name) - len(name.lstrip("."))
    if level == 0:
        return name
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [name[level:]])])


def _strings(tree: ast.AST) -> Iterator[str]:
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _name(file: PurePath) -> str:
    return ".".join(file.parent.parts if file.name == "__init__.py" else file.with_suffix("").parts)


def _is_kept(name: PurePath, file: Path, kept: set[Path], packages: set[Path]) -> bool:
    if name.parts[0].endswith(".dist-info"):
        return name.name == "METADATA" or name.name.upper().startswith(_LICENCE)
    if name.parts[:2] == ("botocore", "data"):
        return True
    if file.suffix == ".py":
        return file in kept
    return (
        len(name.parts) > 1
        and file.parent in packages
        and file.suffix != ".pyi"
        and file.name not in _FOR_TYPE_CHECKERS
    )
