"""`dvc plots` and `dvc metrics` on a report of two revisions, with the repository's own templates and pipeline file."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cells import write_cell

from patent_embeddings.core import layout, params
from patent_embeddings.core.files import write_json, write_text
from patent_embeddings.evaluation.scores import headline
from patent_embeddings.grid import keys
from patent_embeddings.pages.cell import pictures, report
from patent_embeddings.pages.cell.plot import ANCHOR

pytestmark = pytest.mark.pipeline
ROOT = Path(__file__).resolve().parents[2]


def command(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def dvc(*words: str) -> str:
    return command(sys.executable, "-m", "dvc", *words)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose HEAD holds a report, and whose workspace one with other scores."""
    monkeypatch.chdir(tmp_path)
    for key, value in {"NAME": "t", "EMAIL": "t@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{key}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{key}", value)
    write_cell(tmp_path)
    command("git", "init", "-q")
    dvc("init", "-q")
    shutil.copytree(ROOT / layout.TEMPLATES, layout.TEMPLATES, dirs_exist_ok=True)
    shutil.copy(ROOT / ".dvc/config", ".dvc/config")
    pipeline = yaml.safe_load((ROOT / layout.PIPELINE).read_text(encoding="utf-8"))
    layout.PIPELINE.write_text(yaml.safe_dump({"plots": pipeline["plots"], "metrics": [str(layout.HEADLINE)]}))
    cell = report.gather(keys.report(params.load()))
    for shift in (0.0, 0.01):
        scores = cell.scores.assign(**{name: cell.scores[name] + shift for name in ("value", "ci_low", "ci_high")})
        write_json(layout.HEADLINE, headline(scores))
        for name, plot in pictures.PLOTS.items():
            rows = plot.data(cell)
            moved = [{**row, "value": row["value"] + shift} if "value" in row else row for row in rows]
            write_text(layout.plot(name), plot.csv(moved))
        if not shift:
            command("git", "add", "-A")
            command("git", "commit", "-q", "-m", "report")
    return tmp_path


def test_every_picture_shows_both_revisions_without_a_network(repository: Path) -> None:
    dvc("plots", "diff", "HEAD", "-o", "shown")
    page = (repository / "shown/index.html").read_text(encoding="utf-8")
    assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="?http[^>]*>', page) == []
    specs = re.findall(r"var spec = (\{.*?\});\n\s*vegaEmbed", page, flags=re.S)
    assert len(specs) == len(pictures.PLOTS)
    empty = [name for name in pictures.PLOTS if len(layout.plot(name).read_text(encoding="utf-8").splitlines()) == 1]
    assert empty == ["relevant", "words", "years"]  # so few queries make no bins
    drawn = [spec for spec in specs if spec != "{}"]
    assert len(drawn) == len(specs) - len(empty)
    for spec in drawn:
        assert ANCHOR not in spec
        assert set(re.findall(r'"rev": "(\w+)"', spec)) == {"HEAD", "workspace"}


def test_metrics_of_two_revisions_stand_side_by_side(repository: Path) -> None:
    assert "sim-alpha.ndcg" in dvc("metrics", "show")
    changed = [line.split() for line in dvc("metrics", "diff").splitlines()[1:]]
    assert len(changed) == 10
    assert all(float(line[-1]) == pytest.approx(0.01, abs=1.1e-4) for line in changed)
