"""README.md, followed to the letter: every command in it exists; those that cost little are run."""

import re
import shutil
import subprocess

import pytest
import typer

from finch_sync_cli.__main__ import app
from tests.docs.shell import PROJECT, blocks

DOCUMENTS = ["README.md", *(str(path.relative_to(PROJECT)) for path in sorted((PROJECT / "docs").glob("*.md")))]


def text(document: str) -> str:
    return (PROJECT / document).read_text()


def targets() -> dict[str, str]:
    """The Makefile's targets that tell what they do, with that."""
    return dict(re.findall(r"^([a-z-]+):.*?## (.+)$", text("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_exists_and_takes_the_variables_it_is_given(document: str) -> None:
    for target, arguments in re.findall(r"\bmake ([a-z][a-z-]*)((?: [A-Z_]+=\S*)*)", _commands(document)):
        assert target in targets(), target
        for variable in re.findall(r"([A-Z_]+)=", arguments):
            assert f"$({variable})" in text("Makefile"), variable


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_finch_sync_exists_with_its_options(document: str) -> None:
    root = typer.main.get_command(app)
    for words in re.findall(r"\bfinch-sync ((?:[a-z][a-z-]*|--[a-z-]+)(?: [^\n`|;)]+)?)", _commands(document)):
        command, rest = root, words.split()
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]  # type: ignore[attr-defined] # it has some, as was just seen
        assert command is not root or rest[0] == "--help", words
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= known, words


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_is_there(document: str) -> None:
    for path in re.findall(r"`((?:src|docs|tests|events|\.ci)/[\w./-]*)`", text(document)):
        assert (PROJECT / path).exists(), path


def test_every_target_is_in_the_help() -> None:
    make = shutil.which("make")
    assert make is not None
    command = [make, "--no-print-directory", "help"]
    told = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603
    assert {line.split()[1] for line in told.stdout.splitlines()} == set(targets())


def test_every_target_is_phony_or_a_file() -> None:
    phony = set(" ".join(re.findall(r"^\.PHONY: (.+)$", text("Makefile"), re.MULTILINE)).split())
    assert set(targets()) <= phony


@pytest.mark.parametrize("target", ["smoke"])
def test_a_target_without_what_it_needs_says_so(target: str) -> None:
    make = shutil.which("make")
    assert make is not None
    refused = subprocess.run([make, target], cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    assert refused.returncode != 0
    assert "API_URL=" in refused.stderr


def _commands(document: str) -> str:
    """What a reader could paste: blocks of shell, and what stands in backquotes."""
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text(document), flags=re.DOTALL))
    return "\n".join([*blocks(document), *inline])
