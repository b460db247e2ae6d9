"""What of botocore's data is deployed: that of the services and operations which the function's source names.

- A service is used if a call of something named `client` has its name as first argument.
- An operation of it is used if the source has its name as an attribute or a string; with it the shapes it leads to.
- Paginators and waiters are used if the source says `get_paginator` or `get_waiter`.
- Of endpoints.json only the services used are kept, in every partition. Documentation and examples are never read.
- Every other file at the top (partitions, retries, defaults) is kept: botocore reads those for any client.
"""

import ast
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MODEL = "service-2.json"
_ONLY_WITH = {"paginators-1": "get_paginator", "waiters-2": "get_waiter"}


class UnknownServiceError(ValueError):
    """The function makes a client of a service that botocore has no data of."""


def trim(data: Path, source: Path) -> None:
    """Remove from botocore's data folder what a package's source does not use.

    Raises:
        UnknownServiceError: It names a service that is not there.
    """
    trees = [ast.parse(file.read_bytes()) for file in source.rglob("*.py")]
    services = {name for tree in trees for name in _clients(tree)}
    words = {word for tree in trees for word in _words(tree)}
    present = {path.name for path in data.iterdir() if path.is_dir()}
    if unknown := services - present:
        raise UnknownServiceError(", ".join(sorted(unknown)))
    for name in present - services:
        shutil.rmtree(data / name)
    prefixes = {_trim_service(data / name, words) for name in sorted(services)}
    endpoints = _read(data / "endpoints.json")
    for partition in endpoints["partitions"]:
        partition["services"] = {name: each for name, each in partition["services"].items() if name in prefixes}
    _write(data / "endpoints.json", endpoints)


def _trim_service(folder: Path, words: set[str]) -> str:
    """Trim one service's data, and return the name that endpoints.json has for it."""
    *older, newest = sorted(path for path in folder.iterdir() if path.is_dir())
    for version in older:
        shutil.rmtree(version)
    for file in newest.iterdir():
        kind = file.name.split(".")[0]
        if kind.startswith("examples") or (kind in _ONLY_WITH and _ONLY_WITH[kind] not in words):
            file.unlink()
    [packed] = newest.glob(f"{_MODEL}*")
    model = _read(packed)
    packed.unlink()
    _write(newest / _MODEL, slimmed(model, words))
    prefix: str = model["metadata"]["endpointPrefix"]
    return prefix


def slimmed(model: dict[str, Any], words: set[str]) -> dict[str, Any]:
    """Return a service's model with the operations that some words name, the shapes they lead to, and no prose."""
    called = {word.replace("_", "") for word in words}
    operations = {name: each for name, each in model["operations"].items() if name.lower() in called}
    shapes: dict[str, Any] = {}
    to_visit = list(_shapes_in(list(operations.values())))
    while to_visit:
        name = to_visit.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            to_visit += _shapes_in(shapes[name])
    slim: dict[str, Any] = _without_prose(model | {"operations": operations, "shapes": shapes})
    return slim


def _shapes_in(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(name := node.get("shape"), str):
            yield name
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _shapes_in(value)


def _without_prose(node: Any) -> Any:
    if isinstance(node, dict):
        # a member may be named so too, but then it is a shape's reference and no text
        return {k: _without_prose(v) for k, v in node.items() if k != "documentation" or not isinstance(v, str)}
    return [_without_prose(each) for each in node] if isinstance(node, list) else node


def _clients(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(service)), *_]
            ) if called.endswith("client"):
                yield service


def _words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=word) | ast.Constant(value=str(word)):
                yield word


def _read(file: Path) -> Any:
    content = file.read_bytes()
    return json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
