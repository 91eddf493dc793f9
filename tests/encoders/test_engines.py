"""Ray as the engine of embedding: the local engine's vectors, also when a worker is lost in the middle."""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rays

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import engines, factory
from patent_embeddings.encoders.entries import model_entry

pytestmark = pytest.mark.pipeline

WORDS = [
    "pump",
    "rotor",
    "blade",
    "sensor",
    "valve",
    "housing",
    "signal",
    "antenna",
    "orbit",
    "thruster",
    "anchor",
    "turbine",
    "cable",
    "mast",
]


def jobs(encoder: Any, count: int) -> list[engines.Job]:
    """Shards of two texts each, of different lengths."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 150 + i)) for i in range(2 * count)]
    return [engines.Job(encoder.key("document"), "document", i, texts[i : i + 2]) for i in range(0, len(texts), 2)]


def test_while_a_gpu_computes_a_shard_the_next_is_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Idle:
        """Computes a shard only when the next one has been prepared."""

        device = "cuda"

        def __init__(self) -> None:
            self.ready = {letter: threading.Event() for letter in "abc"}

        def prepare(self, texts: list[str], side: str) -> str:
            self.ready[texts[0]].set()
            return texts[0]

        def compute(self, prepared: str, side: str) -> np.ndarray:
            if prepared != "c":
                assert self.ready[chr(ord(prepared) + 1)].wait(timeout=10)
            return np.array([[ord(prepared)]], np.float32)

    monkeypatch.setattr(factory, "opened", lambda model: model)
    asked = [engines.Job("k", "document", i, [letter]) for i, letter in enumerate("abc")]
    found = list(engines.compute("local", Idle(), asked))  # type: ignore[arg-type]
    assert [(job.texts[0], float(parts[0][0])) for job, parts in found] == [("a", 97.0), ("b", 98.0), ("c", 99.0)]


def test_workers_give_the_local_vectors_though_one_is_killed(driver: ProcessPoolExecutor) -> None:
    local, there = driver.submit(with_a_worker_killed).result()
    assert set(there) == set(local)
    # To the last bit: all of them compute with one thread.
    assert all(engines.packed(there[texts]) == engines.packed(parts) for texts, parts in local.items())


def with_a_worker_killed() -> list[dict[tuple[str, ...], Any]]:
    """Vectors of 16 shards by the local engine, and by Ray's two workers of which one is killed at the first answer."""
    encoder = factory.encoder(model_entry("minilm"))
    asked = jobs(encoder, 16)
    local = {tuple(job.texts): parts for job, parts in engines.compute("local", encoder, asked)}
    there: dict[tuple[str, ...], Any] = {}
    for job, parts in engines.compute("ray", encoder, asked):
        if not there:
            rays.kill_one_of_two_workers()
        assert tuple(job.texts) not in there
        there[tuple(job.texts)] = parts
    return [local, there]


def test_a_worker_that_differs_is_named(driver: ProcessPoolExecutor) -> None:
    with pytest.raises(UserError, match="differs from this machine in device"):
        driver.submit(with_another_device).result()


def with_another_device() -> None:
    """A shard whose key says that it was made for a GPU."""
    encoder = factory.encoder(model_entry("minilm"))
    (job,) = jobs(encoder, 1)
    other = engines.Job(job.key.replace('"kind": "cpu"', '"kind": "cuda"'), job.side, job.first, job.texts)
    list(engines.compute("ray", encoder, [other]))


def asked(key: str, text: str = "a pump") -> Any:
    """A batch as Ray hands it to a worker."""
    row = {"job": 0, "key": key, "side": "document", "texts": [text]}
    return SimpleNamespace(to_pylist=lambda: [row])


def test_a_worker_is_tested_once_and_only_where_it_is_the_driver_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that other libraries cause there is told as that, not as the model's."""
    tested: list[Any] = []
    monkeypatch.setattr(factory, "passed", tested.append)
    encoder = factory.encoder(model_entry("minilm"), tested=False)
    own = encoder.key("document")
    other = own.replace('"torch": "', '"torch": "1.')
    assert other != own
    worker = engines.Worker(encoder.entry, encoder.options)
    (fault,) = worker(asked(other))["fault"]
    assert "differs from this machine in libraries;" in fault
    assert tested == []
    for text in ("a pump", "a valve"):
        found = worker(asked(own, text))
        assert found["fault"] == [""]
        (vector,) = engines.unpacked(found["vectors"][0])
        np.testing.assert_allclose(vector, encoder.encode([text], "document")[0], rtol=0, atol=1e-6)
    assert tested == [worker.encoder]


def test_a_worker_that_fails_its_test_or_lacks_the_model_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(_: Any) -> None:
        raise UserError("failed its test before first use")

    monkeypatch.setattr(factory, "passed", failed)
    encoder = factory.encoder(model_entry("minilm"), tested=False)
    own = encoder.key("document")
    worker = engines.Worker(encoder.entry, encoder.options)
    for _ in range(2):
        assert worker(asked(own))["fault"] == ["failed its test before first use"]
    absent = encoder.entry.model_copy(update={"package": "nowhere_to_be_found"})
    (fault,) = engines.Worker(absent, encoder.options)(asked(own))["fault"]
    assert "package nowhere_to_be_found is not installed" in fault
