"""`python -m stages.compare` on two experiments whose every rank is planted."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compared
import pytest
import yaml
from compared import DENSE, L
from forks import Forks
from scipy import stats
from toy import git

from patent_embeddings.core import params
from patent_embeddings.pages.comparison import report
from patent_embeddings.pages.failures import data

pytestmark = pytest.mark.pipeline
Compare = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments `tuned` and `plain`, and one each with other queries (`fold`) and other judgements (`seed`)."""
    folder = compared.repository(tmp_path_factory.mktemp("compared") / "repo")
    cells = {"tuned": ("r1", 0, 0), "plain": ("zero-shot", 0, 0), "fold": ("r1", 1, 0), "seed": ("r1", 0, 1)}
    for name, (recipe, fold, seed) in cells.items():
        changes = (f"recipe={recipe}", f"tasks.fold={fold}", f"tasks.seed={seed}")
        settings = [word for change in changes for word in ("-S", change)]
        command = [sys.executable, "-m", "dvc", "exp", "run", "-q", "-n", name, *settings]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def compare(forks: Forks, repository: Path) -> Compare:
    return lambda *arguments: forks.module("stages.compare", *arguments, cwd=repository)


def commit(repository: Path, name: str) -> str:
    """That of an experiment."""
    rows = git(repository, "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").splitlines()
    return next(row.split()[1] for row in rows if row.split()[0].endswith(f"/{name}"))


def gains(recipe: str) -> list[float]:
    """nDCG@10 of one relevant family at each planted rank."""
    return [1 / math.log2(rank + 1) if 0 < rank <= 10 else 0.0 for rank in DENSE[recipe]]


def unpacked(page: str) -> Any:
    held = re.search(r'id="failures">\s*([A-Za-z0-9+/=]+)\s*</script>', page)
    assert held
    return json.loads(gzip.decompress(base64.b64decode(held[1])))


def test_the_table_holds_what_was_planted(compare: Compare, repository: Path) -> None:
    done = compare("plain", "tuned")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) < 120
    assert lines[0].endswith("A: plain, B: tuned") and lines[-1] == "page: reports/comparisons/plain-tuned.html"
    head, *rows = (re.split(r"  +", line) for line in lines[1:-1])
    found = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
    assert list(found) == ["bm25", "dense", "rrf", "interpolation", "best of each: bm25, dense"]

    plain, tuned = gains("zero-shot"), gains("r1")
    won = sum(b > a for a, b in zip(plain, tuned, strict=True))
    lost = sum(b < a for a, b in zip(plain, tuned, strict=True))
    assert (won, lost) == (7, 2)  # by eye: ranks 2 to 8 are 1 now, ranks 9 and 10 are lost, 1 and three misses are even
    dense = found["dense"]
    assert (dense["B won"], dense["lost"], dense["tied"]) == ("7", "2", "3")
    assert [float(dense[name]) for name in "AB"] == pytest.approx([sum(plain) / 12, sum(tuned) / 12], abs=5e-5)
    assert float(dense["B less A"]) == pytest.approx((sum(tuned) - sum(plain)) / 12, abs=5e-5)
    # All 2 ** 9 signs of the nine differences that are not 0.
    differences = [b - a for a, b in zip(plain, tuned, strict=True)]
    exact = stats.permutation_test((differences,), lambda x, axis: x.mean(axis=axis), permutation_type="samples",
                                   n_resamples=2**12).pvalue  # fmt: skip
    assert float(dense["p"]) == pytest.approx(exact, abs=6e-4)
    assert [found["bm25"][name] for name in ("B won", "lost", "tied", "p")] == ["0", "0", "12", "1"]

    page = (repository / "reports/comparisons/plain-tuned.html").read_text(encoding="utf-8")
    sign = stats.binomtest(7, 9).pvalue
    row = re.search(r"<td>all</td>\s*<td>dense</td>(.*?)</tr>", page, re.DOTALL)
    assert row and f"{sign:.4f}" in row[1]
    assert "<td>recipe</td>" in page or ">recipe</th>" in page  # what differs between them
    assert "say nothing about real patents" in page


def test_the_page_holds_every_query_under_the_best_system_of_each(compare: Compare, repository: Path) -> None:
    assert compare("tuned", "plain", "--landscape", L).returncode == 0
    shown = unpacked((repository / "reports/comparisons/tuned-plain.html").read_text(encoding="utf-8"))
    assert shown["systems"] == shown["compared"] == ["tuned", "plain"] and shown["wrong_of"] == [["tuned", "plain"]]
    assert len(shown["queries"]) == compared.QUERIES
    ids = [family["id"] for family in shown["families"]]
    for query in shown["queries"]:
        number = int(query["id"][1:])
        # The tuned cell is best under dense, the other under BM25 (of equals the first), where the rank is always 2.
        (relevant,) = query["relevant"]
        assert ids[relevant["family"]] == compared.name(compared.relevant(number))
        assert relevant["ranks"] == {"tuned": DENSE["r1"][number], "plain": 2}
        assert query["outcome"] == {"tuned": round(gains("r1")[number], 4), "plain": round(1 / math.log2(3), 4)}
        wrong = [one for one in compared.ranking(number, 0) if one != compared.relevant(number)][:3]
        assert [ids[hit["family"]] for hit in query["wrong"]] == [compared.name(one) for one in wrong]


def test_a_sample_names_the_files_that_have_the_outcomes_of_all(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(data, "MOST", 5)
    *_, said = report.compare("plain", "tuned", params.load())
    sampled = unpacked(Path(said.removeprefix("page: ")).read_text(encoding="utf-8"))["sampled"]
    one, other = (f"{words} (commit {commit(repository, name)[:7]})" for name, words in
                  (("plain", "minilm-zero-shot-tac-fold0"), ("tuned", "minilm-r1-sim-alpha-tac-fold0")))  # fmt: skip
    assert sampled.startswith("A sample: 5 of the 12 test queries")
    assert sampled.endswith(f"as in data/outcomes/{L}.parquet of {one} and {other}.")  # none of the workspace


def test_the_same_cells_give_the_same_bytes(compare: Compare, repository: Path) -> None:
    path = repository / "reports/comparisons/plain-tuned.html"
    assert compare("plain", "tuned").returncode == 0
    before = path.read_bytes()
    assert compare("plain", "tuned").returncode == 0
    assert path.read_bytes() == before


def test_a_commit_is_as_good_as_a_name(compare: Compare, repository: Path) -> None:
    digits = commit(repository, "tuned")
    done = compare("plain", digits[:10])
    assert done.returncode == 0, done.stderr
    assert f"B: tuned@{digits[:7]}" in done.stdout
    refused = compare("tuned", digits)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: 'tuned' and '{digits}' are the same cell")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tuned", "tuned"], "error: 'tuned' is named twice; name two cells"),
        (["tunned", "plain"], "error: no experiment or commit 'tunned' (did you mean tuned?)"),
        (["tuned", "HEAD"], "holds no cell that can be read here"),
        (["tuned", "workspace"], "error: there is no current cell"),
        (["tuned", "plain", "--landscape", "sim-alpa"],
         "landscape 'sim-alpa' (did you mean sim-alpha?) has no scores of both cells; both are scored on sim-alpha"),
        (["tuned", "fold"], "error: tuned and fold cannot be compared: sim-alpha: they share no test query "
                            "(their folds are 0 and 1)"),
        (["tuned", "seed"], "sim-alpha: other families are relevant to the queries that they share"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_a_line(
    arguments: list[str], said: str, compare: Compare, repository: Path
) -> None:
    before = sorted((repository / "reports").rglob("*"))
    done = compare(*arguments)
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert sorted((repository / "reports").rglob("*")) == before


def test_an_output_that_is_nowhere_is_named_with_the_mend(compare: Compare, repository: Path) -> None:
    lock = yaml.safe_load(git(repository, "show", f"{commit(repository, 'plain')}:dvc.lock"))
    outs = lock["stages"]["metrics"]["outs"]
    hashes = {out["path"]: out["md5"] for out in outs}
    for path in (f"data/views/{L}", f"data/runs/{L}/bm25.parquet"):
        oid = hashes[path]
        held = repository / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
        content = held.read_bytes()
        assert hashlib.md5(content).hexdigest() == oid.removesuffix(".dir")
        held.chmod(0o644)
        held.unlink()
        done = compare("plain", "tuned")
        held.write_bytes(content)
        assert done.returncode == 2, done.stdout
        assert len(done.stderr.splitlines()) == 1
        assert f"error: {path} of experiment plain is neither in the cache nor in a remote" in done.stderr
        assert "`make restore EXPERIMENT=plain`" in done.stderr


def test_outputs_that_the_cache_lacks_come_from_the_remote(compare: Compare, repository: Path) -> None:
    """Also the list of a folder's files, without which nobody knows what they should be."""
    page = repository / "reports/comparisons/plain-tuned.html"
    assert compare("plain", "tuned").returncode == 0
    before = page.read_bytes()
    page.unlink()
    command = [sys.executable, "-m", "dvc", "remote", "add", "-q", "--local", "-d", "store", "../store"]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    cache, store = repository / ".dvc/cache/files", repository.parent / "store/files"
    store.parent.mkdir()
    cache.rename(store)  # a remote has the layout of a cache
    done = compare("plain", "tuned")
    shutil.rmtree(cache, ignore_errors=True)
    store.rename(cache)
    assert done.returncode == 0, done.stderr
    assert page.read_bytes() == before
