"""What goes through the models of this process, and how busy the device is from the first batch to the last."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from statistics import fmean
from typing import Any, Protocol

PERIOD = 0.2  # seconds between two looks at a GPU, whose driver has a new answer up to six times a second


def significant(value: float) -> float:
    """Four digits of a figure, whatever its size: a rate may be below one a second."""
    return float(f"{value:.4g}")


class Device(Protocol):
    """What computes: it is told of the first batch and of the end of every batch, and asked once at the end."""

    def begin(self) -> None:
        """The first batch starts."""

    def mark(self) -> None:
        """A batch has been handed in; the last one counts."""

    def read(self) -> dict[str, Any]:
        """`computing_seconds` from the first batch to the last, `busy` (0 to 1), `busy_by`, and what else it knows."""


class Processor:
    """The processors that this process may use: busy are the seconds that its threads ran on them."""

    def begin(self) -> None:
        """The first batch starts."""
        self.first = self.last = (time.perf_counter(), time.process_time())

    def mark(self) -> None:
        """A batch has ended."""
        self.last = (time.perf_counter(), time.process_time())

    def read(self) -> dict[str, Any]:
        """Its threads' seconds over those of all its processors."""
        seconds, used = (last - first for first, last in zip(self.first, self.last, strict=True))
        if not seconds:
            return {}
        busy = round(used / seconds / len(os.sched_getaffinity(0)), 3)
        return {"computing_seconds": seconds, "busy": busy, "busy_by": "processor time"}


class Gpu:
    """The GPU of this process, through `torch.cuda` or what stands in for it.

    Busy is what its driver says: the share of the time in which some kernel ran, whoever's. Power and busy need
    NVIDIA's library for Python (`nvidia-ml-py`) beside torch; without it, or on a GPU that does not say, they are left
    out.
    """

    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda
        # Seconds since the first batch, and what was said then.
        self.busy: list[tuple[float, float]] = []
        self.watts: list[tuple[float, float]] = []
        self.ended = threading.Event()

    def begin(self) -> None:
        """The first batch starts: from now on another thread asks the driver."""
        # Work is only handed in here; the GPU's own clock tells when it was done.
        self.first, self.last = (self.cuda.Event(enable_timing=True) for _ in range(2))
        start = time.perf_counter()
        self.first.record()
        # Torch's choice of a GPU is a thread's own.
        number = self.cuda.current_device()
        self.thread = threading.Thread(target=self._ask, args=(number, start), daemon=True)
        self.thread.start()

    def mark(self) -> None:
        """A batch has been handed in."""
        self.last.record()

    def read(self) -> dict[str, Any]:
        """The GPU's name, peak memory of tensors, and what its driver said."""
        self.ended.set()
        self.thread.join()
        self.cuda.synchronize()
        seconds = self.first.elapsed_time(self.last) / 1000
        found = {
            "gpu": self.cuda.get_device_name(),
            "peak_gpu_mib": round(self.cuda.max_memory_allocated() / 2**20),
            "computing_seconds": seconds,
        }
        # The stage goes on after its last batch, and the thread has asked on.
        busy, watts = ([value for at, value in asked if at <= seconds] for asked in (self.busy, self.watts))
        if busy:
            found |= {"busy": round(fmean(busy), 3), "busy_by": "driver"}
            if watts:  # a driver that does not say how busy a part of a GPU (MIG) is tells the power of the whole
                found["watt_hours"] = significant(fmean(watts) * seconds / 3600)
        return found

    def _ask(self, number: int, start: float) -> None:
        """Ask until the end; its first answer is about the time before."""
        while not self.ended.wait(PERIOD):
            with suppress(Exception):  # no library, no such counter, no right: a cost that is not known
                share = self.cuda.utilization(number) / 100
                self.busy.append((time.perf_counter() - start, share))
            with suppress(Exception):
                watts = self.cuda.power_draw(number) / 1000  # of milliwatts
                self.watts.append((time.perf_counter() - start, watts))


class Meter:
    """Counts tokens that go through models, padding left out, each time that they do.

    Trained texts pass once a step, and once more where the loss is cached; dev texts once an evaluation.
    """

    def __init__(self) -> None:
        self.device: Device | None = None
        self.begun = False
        self.tokens: Any = 0

    def attach(self, model: Any, device: Device) -> None:
        """Count what a model of sentence-transformers is given; all of them compute on the device of the first."""
        self.device = self.device or device
        model.register_forward_pre_hook(self._before)
        model.register_forward_hook(self._after)

    def read(self) -> dict[str, Any]:
        """`tokens`, `tokens_per_second`, and what the device says; nothing where no batch passed."""
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
        # Without a mask nothing is padded. A sum stays on the GPU, which would have to be waited for.
        self.tokens = self.tokens + (features["input_ids"].numel() if mask is None else mask.sum())

    def _after(self, *_: Any) -> None:
        if self.device:
            self.device.mark()


_current: list[Meter] = []  # of the costs that are being measured


@contextmanager
def metered() -> Iterator[Meter]:
    """A meter for the models that are opened in the block."""
    _current.append(Meter())
    try:
        yield _current[-1]
    finally:
        _current.pop()


def attach(model: Any, device: str) -> None:
    """Count what a model is given, where costs are being measured; `device` is `cpu` or `cuda`."""
    if not _current:
        return
    if device == "cuda":
        import torch  # which stages without a model do not load

        _current[-1].attach(model, Gpu(torch.cuda))
    else:
        _current[-1].attach(model, Processor())
