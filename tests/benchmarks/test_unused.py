"""The rule by which the benchmarks call a module unused, on small sources."""

from benchmarks.unused import imports

MODULES = {"p", "p.a", "p.b"}


def test_a_mention_in_a_function_counts_for_that_function_alone() -> None:
    source = "from p.a import work\ndef f():\n  work()\nclass C:\n  def m(self):\n    return lambda: work\n"
    assert imports(source, MODULES) == {"p.a": {"f", "C.m"}}


def test_what_a_class_or_a_signature_is_made_with_counts_as_mentioned_outside_of_functions() -> None:
    assert imports("from p.a import Base\nclass C(Base): ...", MODULES) == {"p.a": {""}}
    assert imports("from p.a import T\nclass C:\n  field: T", MODULES) == {"p.a": {""}}
    assert imports("from p.a import T\ndef f(x: T) -> None: ...", MODULES) == {"p.a": {""}}
    assert imports("from p.a import d\n@d\ndef f(): ...", MODULES) == {"p.a": {""}}


def test_the_name_of_a_module_is_told_from_a_name_in_a_module() -> None:
    source = "from p import a, other\ndef f(): a\ndef g(): other"
    assert imports(source, MODULES) == {"p.a": {"f"}, "p": {"g"}}


def test_imports_within_functions_and_for_type_checkers_do_not_count() -> None:
    assert imports("if TYPE_CHECKING:\n  import p.a\ndef f():\n  import p.b", MODULES) == {}
