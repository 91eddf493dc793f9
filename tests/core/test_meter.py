"""What passes through models, counted against what was given; and a GPU that is not there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from patent_embeddings.core import costs, distributed, environment, meter
from patent_embeddings.core.files import read_json
from patent_embeddings.core.meter import Gpu, Meter, Processor


class Mask:
    """A tensor of ones and zeros, as far as it is asked for."""

    def __init__(self, *rows: str) -> None:
        self.ones = sum(row.count("1") for row in rows)

    def sum(self) -> int:
        return self.ones


class Model:
    """A module with torch's hooks that takes a while."""

    def __init__(self, seconds: float = 0.0, burn: bool = False) -> None:
        self.seconds, self.burn = seconds, burn
        self.hooks: dict[str, list[Callable[..., None]]] = {"before": [], "after": []}

    def register_forward_pre_hook(self, hook: Callable[..., None]) -> None:
        self.hooks["before"].append(hook)

    def register_forward_hook(self, hook: Callable[..., None]) -> None:
        self.hooks["after"].append(hook)

    def __call__(self, features: dict[str, Any]) -> None:
        for hook in self.hooks["before"]:
            hook(self, (features,))
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            if not self.burn:
                time.sleep(0.01)
        for hook in self.hooks["after"]:
            hook(self, (features,), features)


class Clock:
    """Events of a GPU whose clock goes 1.5 s from one to the next."""

    made = 0.0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        Clock.made += 1500.0
        self.at = Clock.made

    def elapsed_time(self, other: Clock) -> float:
        return other.at - self.at


def cuda(utilization: Callable[[int], int], power_draw: Callable[[int], int]) -> Any:
    return SimpleNamespace(
        Event=Clock,
        utilization=utilization,
        power_draw=power_draw,
        current_device=lambda: 3,
        synchronize=lambda: None,
        get_device_name=lambda: "Toy 9000",
        max_memory_allocated=lambda: 5 * 2**30,
    )


def test_tokens_are_counted_without_padding_each_time_that_they_pass() -> None:
    counter, model = Meter(), Model(0.01)
    counter.attach(model, Processor())
    model({"attention_mask": Mask("1110", "1000")})
    model({"attention_mask": Mask("11")})
    model({"attention_mask": Mask("11")})
    model({"input_ids": SimpleNamespace(numel=lambda: 7)})  # unpadded
    found = counter.read()
    assert found["tokens"] == 4 + 2 + 2 + 7
    assert found["tokens_per_second"] == pytest.approx(15 / found["computing_seconds"], rel=0.2)


def test_a_model_that_nothing_passed_says_nothing() -> None:
    counter = Meter()
    assert counter.read() == {}
    counter.attach(Model(), Processor())
    assert counter.read() == {}


def test_the_processors_are_busy_while_a_thread_runs_and_not_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    shares = {}
    for burn in (True, False):
        counter, model = Meter(), Model(0.3, burn=burn)
        counter.attach(model, Processor())
        before, start = time.process_time(), time.perf_counter()
        model({"attention_mask": Mask("1")})
        used, seconds = time.process_time() - before, time.perf_counter() - start
        found = counter.read()
        assert found["busy"] == pytest.approx(used / seconds / 4, abs=0.02)
        assert found["busy_by"] == "processor time"
        shares[burn] = found["busy"]
    assert shares[True] > shares[False] and shares[False] < 0.05


def test_a_gpu_is_what_its_driver_and_its_clock_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PERIOD", 0.01)
    asked: list[int] = []

    def utilization(number: int) -> int:
        asked.append(number)
        return 90

    counter, model = Meter(), Model(0.1)
    counter.attach(model, Gpu(cuda(utilization, lambda _: 400_000)))
    model({"attention_mask": Mask("111")})
    model({"attention_mask": Mask("111")})
    # Three events: before the first batch, after it and after the second, so 3 s from first to last.
    assert counter.read() == {
        "tokens": 6,
        "tokens_per_second": 2.0,
        "gpu": "Toy 9000",
        "peak_gpu_mib": 5120,
        "computing_seconds": 3.0,
        "busy": 0.9,
        "busy_by": "driver",
        "watt_hours": 0.3333,  # 400 W for 3 s
    }
    assert set(asked) == {3}  # the GPU at work, not the first


def test_a_driver_that_does_not_say_leaves_its_figures_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PERIOD", 0.01)

    def missing(_: int) -> int:
        raise ModuleNotFoundError("pynvml")

    # Of a part of a GPU there is the power, but of the whole, and not how busy it is.
    for power in (missing, lambda _: 700_000):
        counter, model = Meter(), Model(0.1)
        counter.attach(model, Gpu(cuda(missing, power)))
        model({"attention_mask": Mask("1")})
        found = counter.read()
        assert {"busy", "busy_by", "watt_hours"}.isdisjoint(found)
        assert found["peak_gpu_mib"] == 5120


def test_what_the_driver_says_after_the_last_batch_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PERIOD", 0.01)

    class Now(Clock):
        def record(self) -> None:
            self.at = 1000 * time.perf_counter()

    idle = False
    toy = cuda(lambda _: 0 if idle else 100, lambda _: 60_000 if idle else 600_000)
    toy.Event = Now
    counter, model = Meter(), Model(0.2)
    counter.attach(model, Gpu(toy))
    model({"attention_mask": Mask("1")})
    idle = True
    time.sleep(0.4)  # vectors are written
    found = counter.read()
    assert found["busy"] == 1.0 and found["computing_seconds"] == pytest.approx(0.2, abs=0.05)
    assert found["watt_hours"] == pytest.approx(600 * 0.2 / 3600, rel=0.2)


def test_slow_and_short_runs_have_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, tokens, rate in ((0.004, 7, 1750.0), (400.0, 11, 0.0275), (3.0, 10_000_000, 3_333_000.0)):
        counter, device = Meter(), Processor()
        monkeypatch.setattr(device, "read", lambda seconds=seconds: {"computing_seconds": seconds})
        model = Model()
        counter.attach(model, device)
        model({"input_ids": SimpleNamespace(numel=lambda tokens=tokens: tokens)})
        assert counter.read()["tokens_per_second"] == rate


def test_costs_have_what_passed_and_only_while_they_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "verify", lambda: None)
    monkeypatch.setattr(distributed, "count", lambda: 4)
    monkeypatch.setattr(meter, "PERIOD", 0.01)
    model = Model(0.05)
    with costs.measured(tmp_path / "cost.json") as cost:
        meter.attach(model, "cpu")
        model({"attention_mask": Mask("1111")})
        cost.update(texts=10, computed=2)
    found = read_json(tmp_path / "cost.json")
    assert found["tokens"] == 4 and "gpu_seconds" not in found
    # Texts that were taken from the scratch are no speed.
    assert found["texts_per_second"] == pytest.approx(2 / found["seconds"], rel=0.15)
    with costs.measured(tmp_path / "scratch.json") as cost:
        cost.update(texts=10, computed=0)
    assert {"texts_per_second", "tokens"}.isdisjoint(read_json(tmp_path / "scratch.json"))
    other = Model()
    meter.attach(other, "cpu")
    assert not other.hooks["before"]


def test_gpu_seconds_are_those_of_all_that_torchrun_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "verify", lambda: None)
    monkeypatch.setattr(distributed, "count", lambda: 4)
    with costs.measured(tmp_path / "cost.json") as cost:
        time.sleep(0.05)
        cost["gpu"] = "Toy 9000"
    found = read_json(tmp_path / "cost.json")
    assert found["gpu_seconds"] == pytest.approx(4 * found["seconds"], abs=0.05)
