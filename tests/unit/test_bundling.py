"""What the bundle keeps: by rules that are held here on small trees, and on the dependencies as they are locked."""

import ast
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bundling import aws_data, bytecode, interpreters, modules


def imported(source: str, package: str = "p.q") -> set[str]:
    return set(modules.imports(ast.parse(source), package))


def test_every_import_counts_wherever_it_stands() -> None:
    assert "a.b" in imported("import a.b")
    assert "a.b" in imported("def f():\n  try:\n    import a.b\n  except ImportError:\n    pass")
    assert {"p.q", "p.q.x"} <= imported("from . import x")
    assert {"p.r", "p.r.x"} <= imported("from ..r import x")
    assert "p.q.x" in imported("import_module('.x', __name__)")


def test_what_never_happens_on_lambda_does_not_count() -> None:
    assert imported("if TYPE_CHECKING:\n  import a\nelse:\n  import b") == {"b"}
    assert imported("if sys.platform == 'emscripten':\n  import a\nelse:\n  import b") == {"b"}


def test_a_module_that_loads_its_parts_by_name_keeps_those_that_it_names() -> None:
    assert "p.q.part" in imported("PARTS = {'Name': '.part'}\ndef __getattr__(name): ...")
    assert "p.q.part" not in imported("PARTS = {'Name': '.part'}")


@pytest.mark.parametrize(("importer", "cut"), sorted(modules.NOT_FOLLOWED))
def test_each_import_that_is_not_followed_is_there_and_within_a_function(importer: str, cut: str) -> None:
    spec = find_spec(importer)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text())
    within = {
        id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)
    }
    hits = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{cut}.")
    ]  # fmt: skip
    assert hits
    assert all(id(node) in within for node in hits)


def test_only_named_operations_and_their_shapes_stay_in_a_model() -> None:
    model = {
        "metadata": {"endpointPrefix": "x"},
        "operations": {
            "GetThing": {"input": {"shape": "Key"}, "errors": [{"shape": "Gone"}], "documentation": "prose"},
            "DropThing": {"input": {"shape": "Other"}},
        },
        "shapes": {
            "Key": {"type": "structure", "members": {"documentation": {"shape": "Text"}}},
            "Text": {"type": "string", "documentation": "prose"},
            "Gone": {"type": "structure", "members": {}, "exception": True},
            "Other": {"type": "string"},
        },
    }
    slim = aws_data.slimmed(model, {"get_thing"})
    assert set(slim["operations"]) == {"GetThing"}
    assert set(slim["shapes"]) == {"Key", "Text", "Gone"}
    assert "prose" not in json.dumps(slim)
    assert "documentation" in slim["shapes"]["Key"]["members"]


def test_a_client_of_a_service_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "m.py").write_text("session.client('dynamobd')")
    with pytest.raises(aws_data.UnknownServiceError, match="dynamobd"):
        aws_data.trim(tmp_path / "data", tmp_path / "source")


def test_without_the_deployed_python_nothing_is_compiled_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    (tmp_path / "m.py").write_text("x = 1\n")
    bytecode.compile_all(tmp_path, "3.99")
    assert [*tmp_path.rglob("*.pyc")] == []
    assert "NOT COMPILED" in capfd.readouterr().out


def test_this_python_is_found_by_its_version_or_not_at_all() -> None:
    found = interpreters.find(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert found is None or found.exists()
