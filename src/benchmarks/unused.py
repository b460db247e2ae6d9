"""What a look loads and does not use.

One look of the bundle as it is deployed, in a fresh process, is watched: which modules it loads, which functions it
runs, which of botocore's service models it opens. Not used is

- a module that our own code imports, if all mentions of what it imports are in functions that did not run. What is
  mentioned where modules and classes are made, as a base class, a decorator or a field's type is, is needed for that;
  what a library's module imports itself is the library's affair;
- a service's model without a call to the service;
- any part of the libraries that is there for other events, whoever imports it: FOR_OTHER_EVENTS.
"""

import ast
import tempfile
from collections.abc import Container, Iterator
from pathlib import Path

from benchmarks import builds, workload
from benchmarks.endpoints import running_services
from benchmarks.rows import Row

FOR_OTHER_EVENTS = (
    "aws_lambda_powertools.event_handler", "aws_lambda_powertools.utilities.parser",
    "aws_lambda_powertools.utilities.validation", "aws_xray_sdk",
)  # fmt: skip

_FUNCTION = "finch_sync"
_WHEN_MADE = ""
_NAMES = {"states": "stepfunctions"}
"""botocore's names of services where ours, which are the hosts', differ."""


def rows() -> Iterator[Row]:
    """Give the row."""
    folder = builds.ours().folder
    with (
        tempfile.TemporaryDirectory() as temporary,
        running_services(workload.answers(), Path(temporary), None) as services,
    ):
        [seen] = builds.watched().run(services, [workload.poll()], counted=False).answers
        called = {_NAMES.get(call.service, call.service) for call in services.calls}
    loaded, ran = seen["loaded"], {(module, function) for module, function in seen["ran"]}
    of_bundle = {name for name, file in loaded.items() if file is not None and file.startswith(str(folder))}
    functions: dict[str, set[tuple[str, str]]] = {}
    for name in of_bundle:
        if name.partition(".")[0] == _FUNCTION:
            for imported, mentioned_by in imports(Path(loaded[name]).read_text(), of_bundle).items():
                functions.setdefault(imported, set()).update((name, function) for function in mentioned_by)
    unused = [
        *sorted(
            name
            for name, mentioned_by in functions.items()
            if mentioned_by.isdisjoint(ran) and not any(function == _WHEN_MADE for _, function in mentioned_by)
        ),
        *sorted(f"the model of {service}" for service in set(seen["services"]) - called),
        *sorted(name for name in of_bundle if name.startswith(FOR_OTHER_EVENTS)),
    ]
    yield Row(
        "modules and service models that a look loads and does not use",
        len(unused),
        at_most=0,
        note=", ".join(unused) or f"of {len(of_bundle)} modules and {len(seen['services'])} models",
    )


def imports(source: str, modules: Container[str]) -> dict[str, set[str]]:
    """Tell which functions of a source mention what it imports at its top.

    Args:
        source: Of a module.
        modules: The names of those modules whose import counts.

    Returns:
        For each imported module the qualified names of functions, and "" for what is outside of any.
    """
    tree = ast.parse(source)
    mentioned_by: dict[str, set[str]] = {}
    for name, function in _mentions(tree, "", _WHEN_MADE):
        mentioned_by.setdefault(name, set()).add(function)
    found: dict[str, set[str]] = {}
    for statement in tree.body:
        for module, name in _bound(statement, modules):
            if module in modules:
                found.setdefault(module, set()).update(mentioned_by.get(name, ()))
    return found


def _bound(statement: ast.stmt, modules: Container[str]) -> Iterator[tuple[str, str]]:
    """Give the modules that a statement imports, each with a name that it binds."""
    match statement:
        case ast.Import():
            for alias in statement.names:
                yield alias.name, alias.asname or alias.name.partition(".")[0]
        case ast.ImportFrom(module=str(module)):
            for alias in statement.names:
                within = f"{module}.{alias.name}"
                yield within if within in modules else module, alias.asname or alias.name


def _mentions(node: ast.AST, prefix: str, function: str) -> Iterator[tuple[str, str]]:
    """Give each name that is mentioned, with the function that mentions it when it runs."""
    match node:
        case ast.Name():
            yield node.id, function
        case ast.ClassDef():
            prefix += f"{node.name}."
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            for part in node.body:
                yield from _mentions(part, f"{prefix}{node.name}.<locals>.", f"{prefix}{node.name}")
            node = ast.Module([ast.Expr(each) for each in _made_with(node)], [])
    for child in ast.iter_child_nodes(node):
        yield from _mentions(child, prefix, function)


def _made_with(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """Give what of a function is evaluated when it is made: decorators, defaults and annotations."""
    given = node.args
    everyone = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
    annotations = [node.returns, *(each.annotation for each in everyone)]
    return filter(None, [*node.decorator_list, *given.defaults, *given.kw_defaults, *annotations])
