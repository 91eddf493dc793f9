"""Count the tokens that pass through models, and measure the device's utilisation from first to last batch."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from statistics import fmean
from typing import Any

PERIOD = 0.2  # seconds between queries of the GPU's driver, which updates up to six times a second


def significant(value: float) -> float:
    """A figure rounded to four significant digits: a rate may be below one per second."""
    return float(f"{value:.4g}")


class Processor:
    """The processors that this process may use; `busy` is the share of their time that its threads used.

    Like `Gpu`, it is told of the first batch and of the end of every batch, and read once at the end:
    `computing_seconds` from the first batch to the last, `busy` (0 to 1), `busy_by`, and figures of its own.
    """

    def begin(self) -> None:
        """The first batch starts."""
        self.first = self.last = (time.perf_counter(), time.process_time())

    def mark(self) -> None:
        """A batch has ended."""
        self.last = (time.perf_counter(), time.process_time())

    def read(self) -> dict[str, Any]:
        """The seconds of its threads over those of all its processors."""
        seconds, used = (last - first for first, last in zip(self.first, self.last, strict=True))
        if not seconds:
            return {}
        busy = round(used / seconds / len(os.sched_getaffinity(0)), 3)
        return {"computing_seconds": seconds, "busy": busy, "busy_by": "processor time"}


class Gpu:
    """The GPU of this process, through `torch.cuda` or a stand-in for it.

    `busy` is the driver's figure: the share of the time in which any process ran a kernel. Power and `busy` need
    NVIDIA's Python library (`nvidia-ml-py`) besides torch; without it, or if the GPU does not report them, they are
    left out.
    """

    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda
        # (seconds since the first batch, value)
        self.busy: list[tuple[float, float]] = []
        self.watts: list[tuple[float, float]] = []
        self.ended = threading.Event()

    def begin(self) -> None:
        """The first batch starts: from now on a thread polls the driver."""
        # The GPU's own clock measures the work, which is asynchronous.
        self.first, self.last = (self.cuda.Event(enable_timing=True) for _ in range(2))
        start = time.perf_counter()
        self.first.record()
        # Torch's current GPU is local to a thread.
        number = self.cuda.current_device()
        self.thread = threading.Thread(target=self._ask, args=(number, start), daemon=True)
        self.thread.start()

    def mark(self) -> None:
        """A batch has been submitted."""
        self.last.record()

    def read(self) -> dict[str, Any]:
        """The GPU's name, peak memory of tensors, and the driver's figures."""
        self.ended.set()
        self.thread.join()
        self.cuda.synchronize()
        seconds = self.first.elapsed_time(self.last) / 1000
        found = {
            "gpu": self.cuda.get_device_name(),
            "peak_gpu_mib": round(self.cuda.max_memory_allocated() / 2**20),
            "computing_seconds": seconds,
        }
        # The stage, and the thread's polling, went on after the last batch.
        busy, watts = ([value for at, value in asked if at <= seconds] for asked in (self.busy, self.watts))
        if busy:
            found |= {"busy": round(fmean(busy), 3), "busy_by": "driver"}
            if watts:  # not for a part of a GPU (MIG), which has no `busy`: its power is that of the whole GPU
                found["watt_hours"] = significant(fmean(watts) * seconds / 3600)
        return found

    def _ask(self, number: int, start: float) -> None:
        """Poll the driver until the end; its first answer is about the time before."""
        while not self.ended.wait(PERIOD):
            with suppress(Exception):  # no library, no such counter or no permission: left out
                share = self.cuda.utilization(number) / 100
                self.busy.append((time.perf_counter() - start, share))
            with suppress(Exception):
                watts = self.cuda.power_draw(number) / 1000  # of milliwatts
                self.watts.append((time.perf_counter() - start, watts))


Device = Processor | Gpu


class Meter:
    """Counts the tokens that pass through models, without padding, each time that they do.

    Training texts pass once per step, and twice if the loss is cached; dev texts once per evaluation.
    """

    def __init__(self) -> None:
        self.device: Device | None = None
        self.begun = False
        self.tokens: Any = 0

    def attach(self, model: Any, device: Device) -> None:
        """Count the input of a model of sentence-transformers; all models are on the device of the first."""
        self.device = self.device or device
        model.register_forward_pre_hook(self._before)
        model.register_forward_hook(self._after)

    def read(self) -> dict[str, Any]:
        """`tokens`, `tokens_per_second`, and the device's figures; {} if no batch passed."""
        if self.device is None or not self.begun:
            return {}
        found = {"tokens": int(self.tokens), **self.device.read()}
        if seconds := found.get("computing_seconds"):
            found["tokens_per_second"] = significant(found["tokens"] / seconds)
            found["computing_seconds"] = round(seconds, 2)
        return found

    def _before(self, _: Any, given: tuple[Any, ...]) -> None:
        if self.device and not self.begun:
            self.begun = True
            self.device.begin()
        (features,) = given
        mask = features.get("attention_mask")
        # Without a mask there is no padding. The sum stays on the GPU, to avoid waiting for it.
        self.tokens = self.tokens + (features["input_ids"].numel() if mask is None else mask.sum())

    def _after(self, *_: Any) -> None:
        if self.device:
            self.device.mark()


_current: list[Meter] = []  # stack of active meters


@contextmanager
def metered() -> Iterator[Meter]:
    """A meter for the models that are loaded in the block."""
    _current.append(Meter())
    try:
        yield _current[-1]
    finally:
        _current.pop()


def attach(model: Any, device: str) -> None:
    """Count the input of a model if a meter is active; `device` is `cpu` or `cuda`."""
    if not _current:
        return
    if device == "cuda":
        import torch  # which stages without a model do not load

        _current[-1].attach(model, Gpu(torch.cuda))
    else:
        _current[-1].attach(model, Processor())
