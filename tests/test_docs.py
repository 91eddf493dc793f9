"""What README and docs name exists: links, files, commands with their options, targets of make, keys of params.yaml."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer.main
import yaml
from workspaces import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "studies/*/README.md")
TEXTS = {path: path.read_text(encoding="utf-8") for pattern in PAGES for path in sorted(ROOT.glob(pattern))}
PLACES = ("patent_embeddings", "stages", "tests", "registry", "benchmarks", "studies", "docs", ".dvc")
NOT_YET = {"benchmarks/results/accelerator.csv", "stages/registry", ".dvc/config.local"}  # made later, or gone
NAMED = re.compile(r"NAME|\bX\b")
EVERY = pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def commands(text: str) -> Iterator[list[str]]:
    """Words of every `python -m ...` of blocks of code and of lines."""
    for line in re.findall(r"python -m ((?:stages|benchmarks|studies)\.[^`\n]*)", re.sub(r"\s+#.*", "", text)):
        if not NAMED.search(line.split()[0]):
            yield shlex.split(line.rstrip("|").split(" && ")[0])


@EVERY
def test_links_lead_somewhere(page: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", TEXTS[page]):
        target = (page.parent / link).resolve() if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{link}#{anchor}"


@EVERY
def test_files_are_there(page: Path) -> None:
    for name in re.findall(r"`([\w./-]+/[\w./-]*|\w+\.py)`", TEXTS[page]):
        if "/" not in name:
            assert name == "search.py" or any(any((ROOT / place).rglob(name)) for place in PLACES), name
        elif name.split("/")[0] in PLACES and name not in NOT_YET and not NAMED.search(name):
            assert (ROOT / name).exists(), name


@EVERY
def test_commands_have_their_options(page: Path) -> None:
    for module, *arguments in commands(TEXTS[page]):
        name = f"{module}.__main__" if module.startswith("studies.") else module
        command = typer.main.get_command(import_module(name).app)
        if choices := getattr(command, "commands", None):
            if not arguments:
                continue
            command = choices[arguments[0]]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        written = {word.split("=")[0] for word in arguments if re.match(r"--?[a-zA-Z]", word)}
        assert written <= known, f"{module}: {sorted(written - known)}"


@EVERY
def test_targets_of_make_and_keys_of_params_are_there(page: Path) -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", TEXTS[page], re.S))
    made = re.findall(r"^`?make ([a-z-]+)", code, re.M)
    assert {*made} <= {*re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)}
    for key in re.findall(r"-S '?([\w.]+)=", TEXTS[page]):
        if key == "view":  # an axis of grids: both views
            continue
        values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        for part in key.split("."):
            assert part in values, key
            values = values[part]
