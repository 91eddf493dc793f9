"""The table of CONTRIBUTING.md: following a row is enough, tried with a toy addition for each marked row."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from forks import Forks
from workspaces import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COPIED = ("patent_embeddings", "stages", "registry", ".dvc/plots", "dvc.yaml", "params.yaml", "tests/cells.py")


@dataclass(frozen=True)
class Toy:
    """An addition: contents of its own files, edits of others in the order of the row, and a check that it works."""

    files: tuple[str, ...]
    edits: tuple[Callable[[str], str], ...]
    check: str


def appended(text: str) -> Callable[[str], str]:
    return lambda old: f"{old.rstrip()}\n\n{text}"


def inserted(before: str, text: str) -> Callable[[str], str]:
    """Insert the text before a line that the file must have."""

    def edit(old: str) -> str:
        assert before in old, f"there is no line {before!r} in the file that the row names"
        return old.replace(before, text + before, 1)

    return edit


def templates(old: str) -> str:
    """No edit: the command that the row names writes the file once all toys are added."""
    return old


def both(*edits: Callable[[str], str]) -> Callable[[str], str]:
    def edit(old: str) -> str:
        for one in edits:
            old = one(old)
        return old

    return edit


MODEL = """
toy:
  source: folder
  path: /nowhere
  hub: toy/model
  family: toy
  parameters: 1
  dimension: 8
  max_length: 64
  length: 32
  pooling: mean
  licence: CC0-1.0
"""
SOURCE = '''
"""Three families that say what number they are."""

from patent_embeddings.corpus.families import assemble


def load(name, entry):
    rows = [{"family_id": str(number), "title": f"{entry.word} {number}"} for number in range(3)]
    return assemble(rows, [("0", "1")])
'''
FORMAT = '''
"""A list of toys: a word and a title a line."""

from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication, Text


def read(source, select):
    with source.open() as lines:
        for number, line in enumerate(lines):
            word, _, title = line.decode().strip().partition(" ")
            yield Publication(f"line {number}", [f"US{number + 1000}A1"], title=[Text(title)], domains=[word])


FORMAT = Format("toy", "List of toys", lambda source: source.head().startswith(b"toy "), read)
'''
SIGNAL = '''
"""Neighbours in the list of families."""

from patent_embeddings.pairs.material import Pair


def draw(material, recipe, split, count, rng):
    ids = sorted(material.allowed(split))
    return [Pair("toy", a, b, material.texts[a], material.texts[b]) for a, b in zip(ids, ids[1:])][:count]


def needs(recipe):
    return "two families", "add one"
'''
SYSTEM = '''
"""Families in the order of their ids."""

import pandas as pd


def run(queries, families):
    rows = [(query, family, rank, 1.0 / rank) for query in queries
            for rank, family in enumerate((one for one in families if one != query), 1)]
    return pd.DataFrame(rows, columns=["query_id", "family_id", "rank", "score"]).astype({"score": "float32"})
'''
PRECISION = """\
    if name == "P" and cut:
        near = rank <= int(cut)
        return _total(hit_query[near], hit_gain[near] > 0, n) / int(cut)
"""
PICTURE = """


# Families of each landscape.
PLOTS["toy"] = Plot(
    section="Training",
    columns={"landscape": "text", "families": "number"},
    rows=lambda cell: [{"landscape": one.name, "families": len(one.families)} for one in cell.landscapes],
    draw=lambda: alt.Chart().mark_bar().encode(x="families:Q", y="landscape:N", detail="rev:N"),
    caption=lambda cell: f"Families of {len(cell.landscapes)} landscapes.",
)
"""
TOYS = {
    "a model that sentence-transformers loads": Toy(
        (),
        (appended(MODEL),),
        """
        cell = params.load().model_copy(update={"model": "toy"})
        assert keys.resolved(cell, "embed", "sim-alpha")["model"]["dimension"] == 8
        assert keys.resolved(cell, "lengths", "sim-alpha")["model"]["length"] == 32
        """,
    ),
    "a source of patents": Toy(
        (SOURCE,),
        (
            both(
                inserted("Source = ", 'class Toy(_Source):\n    source: Literal["toy"]\n    word: str\n\n\n'),
                inserted("Simulated | ", "Toy | "),
            ),
            appended("toy:\n  source: toy\n  description: Toys.\n  licence: CC0-1.0\n  word: seal\n"),
        ),
        """
        cell = params.load().model_copy(update={"evaluate_on": ["toy"]})
        values = DownloadValues.model_validate(keys.resolved(cell, "download", "toy"))
        raw = sources.load("toy", values.landscape)
        assert raw.families["title"].tolist() == ["seal 0", "seal 1", "seal 2"] and len(raw.citations) == 1
        assert not landscape_entry("toy").simulated
        """,
    ),
    "a format of exports": Toy(
        (FORMAT,),
        (both(inserted("    uspto,\n", "    toy,\n"), inserted("    lens.FORMAT,\n", "    toy.FORMAT,\n")),),
        """
        from patent_embeddings.corpus.user.conversion import Request, take
        Path("toys.dat").write_text("toy A seal\\ntoy A valve\\n")
        taken = take(Request([Path("toys.dat")]))
        assert taken.read["format"] == "toy" and taken.raw.families["title"].tolist() == ["A seal", "A valve"]
        """,
    ),
    "a view": Toy(
        (),
        (appended("toy:\n  description: Claims, then title.\n  sections: [claims, title]\n"),),
        """
        families = pd.DataFrame({"family_id": ["a"], "title": ["Valve"], "claims": ["1. A valve."]})
        assert texts(families, view_entry("toy"))["text"].tolist() == ["1. A valve.\\nValve"]
        assert keys.resolved(params.load(), "views", "sim-alpha")["views"]["toy"]["sections"] == ["claims", "title"]
        """,
    ),
    "a training signal": Toy(
        (SIGNAL,),
        (appended("toy:\n  description: Neighbours.\n  signals: [toy]\n"),),
        """
        tables.write(drawn("toy"), layout.PAIRS, PAIRS)
        assert set(tables.read(layout.PAIRS, PAIRS)["signal"]) == {"toy"}
        """,
    ),
    "a recipe of signals there are": Toy(
        (),
        (appended("toy-both:\n  description: Two signals.\n  signals: [citation, section]\n"),),
        """
        assert set(drawn("toy-both")["signal"]) == {"citation", "section"}
        """,
    ),
    "a system of retrieval": Toy(
        (SYSTEM,),
        (inserted('    System("random"', '    System("toy", "retrieval"),\n'), *[templates] * 5),
        """
        from patent_embeddings.retrieval import toy
        queries, families = tables.read(layout.task(L, "queries"), QUERIES), tables.read(layout.task(L, "pool"), POOL)
        tables.write(toy.run(queries["query_id"], families["family_id"]), layout.run(L, "toy"), RUN)
        cell = measured()
        assert [row[1] for row in scores.retrieval(cell).rows if row[0] == L].index("toy") == 4
        assert "toy" in COLOURS and {row["system"] for row in pictures.PLOTS["headline"].data(cell)} >= {"toy", "dense"}
        assert reads("toy", "search.depth") and reads("toy", "bm25.k1")  # whatever is not said
        trec.write(Path("out"), L, exported_cell.subject(params.load()))
        assert len(Path("out/toy.run").read_text().splitlines()) == 39 * len(queries)
        """,
    ),
    "a metric of retrieval": Toy(
        (),
        (
            inserted("    raise ValueError(f\"metric", PRECISION),
            inserted('    Metric("AP"', '    Metric("P@5", "retrieval", "precision_at_5"),\n'),
        ),
        """
        found = measured().scores
        found = found[(found["metric"] == "P@5") & (found["system"] == "dense") & (found["scope"] == "all")]
        # Of the two families that are relevant to a query, dense has both among its first five.
        assert found["value"].round(6).tolist() == [0.4]
        assert scores.retrieval(measured()).head[6] == "P@5"
        """,
    ),
    "a picture of a cell": Toy(
        ("",),
        (
            appended(PICTURE),
            inserted("  - reports/plots/inout.csv", "  - reports/plots/toy.csv: {template: toy}\n"),
        ),
        """
        cell = gathered()
        assert pictures.PLOTS["toy"].data(cell)[0] == {"landscape": L, "families": 40}
        html = page(cell)
        assert "Families of 2 landscapes." in html and 'data-chart="toy"' in html
        os.chdir(ROOT)
        report.write_templates()
        layout.TEMPLATE_PAGE.write_text(PAGE)  # which our script is left out of here
        assert pictures.PLOTS["toy"].spec == read_json(layout.template("toy"))
        """,
    ),
}  # fmt: skip
# Runs the checks given as arguments, `python -c ... ROOT WORK TOY CHECK ...`, and prints a line for each failure.
DRIVER = '''
import os, sys, textwrap, traceback
from pathlib import Path
ROOT, WORK, L = Path(sys.argv[1]), Path(sys.argv[2]), "sim-alpha"
os.chdir(WORK)
import cells
import dataclasses
import numpy as np
import pandas as pd
from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.files import read_json
from patent_embeddings.corpus import sources
from patent_embeddings.corpus.entries import landscape_entry, view_entry
from patent_embeddings.corpus.schemas import CITATIONS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.corpus.values import DownloadValues
from patent_embeddings.corpus.views import texts
from patent_embeddings.grid import keys
from patent_embeddings.grid.cell import reads
from patent_embeddings.pairs.drawing import drawn as drawn_
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.pairs.values import PairsValues
from patent_embeddings.retrieval.schemas import RUN


def drawn(recipe):
    ids = [f"{L}-{number:03d}" for number in range(40)]
    view = pd.DataFrame({"family_id": ids, "text": "A valve.", "complete": True})
    tables.write(view, layout.view(L, "tac"), VIEW)
    cites = pd.DataFrame({"citing_id": ids[10:-1], "cited_id": ids[11:]})
    columns = {name: "" for name in CITATIONS.columns if name not in cites}
    tables.write(cites.assign(**columns), layout.citations(L), CITATIONS)
    cell = params.load().model_copy(update={"recipe": recipe})
    return drawn_(PairsValues.model_validate(keys.resolved(cell, "pairs")))[0]


def gathered():
    return report.gather(keys.report(params.load()))


def measured():
    """The cell with the scores of one landscape measured anew on its runs."""
    queries, qrels = tables.read(layout.task(L, "queries"), QUERIES), tables.read(layout.task(L, "qrels"), QRELS)
    judged = outcomes.Judged(queries, qrels, np.ones(len(qrels), dtype=bool), None)
    names = [name for name in systems.RETRIEVAL if layout.run(L, name).exists()]
    best = tables.read(layout.oracles(L), ORACLES)
    _, found = outcomes.retrieval(L, judged, names, lambda name: tables.parts(layout.run(L, name), RUN), best)
    frame = pd.concat(found, ignore_index=True).assign(landscape=L, simulated=True)
    return dataclasses.replace(gathered(), scores=frame[list(SCORES.columns)])


cells.write_cell(WORK)
PAGE = (ROOT / layout.TEMPLATE_PAGE).read_text()
if set(sys.argv[3::2]) & {"a system of retrieval", "a metric of retrieval", "a picture of a cell"}:
    from patent_embeddings.evaluation import outcomes, systems
    from patent_embeddings.evaluation.schemas import ORACLES, SCORES
    from patent_embeddings.handover import exported_cell, trec
    from patent_embeddings.pages import charts, shell
    from patent_embeddings.pages.cell import pictures, report, scores
    from patent_embeddings.pages.cell.page import page
    from patent_embeddings.pages.colours import COLOURS
    charts.script = shell.script = lambda: ""  # it takes seconds to bundle
for name, check in zip(sys.argv[3::2], sys.argv[4::2], strict=True):
    os.chdir(WORK)
    try:
        exec(textwrap.dedent(check))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(f"{name}: {type(error).__name__}: {error} ({where.filename}:{where.lineno} {where.line or where.name})")
'''


def rows(page: str) -> dict[str, tuple[list[str], list[str]]]:
    """For each kind of addition, the paths of its own files and of the files that get a row or an entry."""
    table = re.findall(
        r"^\| (.+?) \|(.*?)\|(.*?)\|$", page.split("## Where things go")[1].split("\n## ")[0], flags=re.M
    )
    found = {}
    for what, *columns in table:
        paths = [
            re.findall(r"`((?:[\w.]+/)*[\w]*\.?[\w]+\.(?:py|yaml|json|j2)|[\w/.]+\.html\.j2)`", one) for one in columns
        ]
        found[what] = (paths[0], paths[1])
    return {what: places for what, places in found.items() if what not in ("you add", "---")}


def add(page: str, what: str, root: Path) -> None:
    """Add a toy to a copy of the repository as its row says."""
    (files, entries), toy = rows(page)[f"{what} *"], TOYS[what]
    assert len(files) == len(toy.files), f"{what}: a toy has {len(toy.files)} files of its own, the row names {files}"
    assert len(entries) == len(toy.edits), f"{what}: a toy has {len(toy.edits)} rows, the row names {entries}"
    for path, text in zip(files, toy.files, strict=True):
        if text:
            (root / path.replace("NAME", "toy")).write_text(text.lstrip(), encoding="utf-8")
    for path, edit in zip(entries, toy.edits, strict=True):
        file = root / path
        file.write_text(edit(file.read_text(encoding="utf-8")), encoding="utf-8")


def copy(root: Path) -> Path:
    for name in COPIED:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    (root / "work").mkdir()
    return root


def run(forks: Forks, root: Path, *whats: str) -> dict[str, str]:
    """Failures of toys, by toy; empty if all work."""
    arguments = [part for what in whats for part in (what, TOYS[what].check)]
    environment = {"PYTHONPATH": f"{root}:{root / 'tests'}", "PATH": "", "HOME": str(root)}
    done = forks.code(DRIVER, str(root), str(root / "work"), *arguments, cwd=root / "work", env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def written(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "work" not in path.relative_to(root).parts and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> tuple[Path, dict[str, bytes], dict[str, str]]:
    """A copy with every toy, its files before, and the failures of toys."""
    root = copy(tmp_path_factory.mktemp("copy"))
    before = written(root)
    for what in TOYS:
        add(PAGE, what, root)
    return root, before, run(forks, root, *TOYS)


def test_every_marked_row_has_a_toy() -> None:
    assert {what.removesuffix(" *") for what in rows(PAGE) if what.endswith(" *")} == set(TOYS)


@pytest.mark.parametrize("what", TOYS)
def test_an_addition_works(what: str, tried: tuple[Path, dict[str, bytes], dict[str, str]]) -> None:
    assert what not in tried[2], tried[2].get(what)


def test_nothing_but_what_the_rows_name_was_touched(tried: tuple[Path, dict[str, bytes], dict[str, str]]) -> None:
    root, before, _ = tried
    named = {path.replace("NAME", "toy") for what in TOYS for places in rows(PAGE)[f"{what} *"] for path in places}
    now = written(root)
    assert {path for path in {*before, *now} if before.get(path) != now.get(path)} == named


@pytest.mark.parametrize(
    ("what", "right", "wrong"),
    [
        ("a training signal", "`patent_embeddings/pairs/signals/NAME.py`", "`patent_embeddings/pairs/NAME.py`"),
        ("a source of patents", "`patent_embeddings/corpus/values.py`", "`patent_embeddings/corpus/entries.py`"),
    ],
)
def test_a_row_that_names_another_file_is_found_out(
    what: str, right: str, wrong: str, tmp_path: Path, forks: Forks
) -> None:
    root = copy(tmp_path)
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {what} *"))
    try:
        add(PAGE.replace(line, line.replace(right, wrong)), what, root)
    except AssertionError:
        return
    assert what in run(forks, root, what)


@pytest.mark.parametrize("what", TOYS)
def test_a_row_that_names_a_file_too_few_or_too_many_is_found_out(what: str, tmp_path: Path) -> None:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {what} *"))
    for wrong in (re.sub(r"`[^`]+\.(py|yaml|json)`", "it", line, count=1), f"{line[:-1]}, `dvc.lock.yaml` |"):
        with pytest.raises(AssertionError, match="the row names"):
            add(PAGE.replace(line, wrong), what, tmp_path)


def test_every_file_that_a_row_names_is_there() -> None:
    for what, places in rows(PAGE).items():
        for path in (*places[0], *places[1]):
            there = ROOT / path
            assert (there.parent if "NAME" in path else there).exists(), f"{what}: {path}"
