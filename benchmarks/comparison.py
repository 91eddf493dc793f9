"""A contest: the same answer first, then both in turn, then the ratio of medians."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from benchmarks.hardware import record
from benchmarks.timing import Contestant, Sample, in_turn, ratio
from patent_embeddings.core.errors import UserError


@dataclass(frozen=True)
class Agreement:
    """How near two answers must be.

    Attributes:
        what: what is compared, such as `largest difference of a vector's entry`.
        tolerance: the most that is allowed.
        difference: of the samples of one turn, ours and the peer's.
    """

    what: str
    tolerance: float
    difference: Callable[[Sample, Sample], float]


@dataclass(frozen=True)
class Contest:
    """A benchmark against its peer.

    Attributes:
        benchmark: its name.
        case: what is measured, sizes included.
        peer: name of the peer.
        contestants: the peer, and one or more of ours.
        agreement: of each of ours with the peer.
        packages: those whose versions are recorded.
        quantity: `seconds` of the whole process, or the name of a value that the contestants return.
    """

    benchmark: str
    case: str
    peer: str
    contestants: Mapping[str, Contestant]
    agreement: Agreement
    packages: tuple[str, ...]
    quantity: str = "seconds"

    def measured(self, sample: Sample) -> float:
        """The quantity of one run."""
        return sample.seconds if self.quantity == "seconds" else float(sample.values[self.quantity])


def hold(contest: Contest, turns: int, folder: Path = results.FOLDER) -> dict[str, list[Sample]]:
    """Run a contest, print its ratios and write its rows: `BENCHMARK.csv` by turn, `comparisons.csv` by ratio.

    Args:
        contest: what runs.
        turns: how often each contestant runs.
        folder: where results are written.

    Raises:
        UserError: the answers differ by more than the tolerance; nothing more is timed then.
    """
    ours = [name for name in contest.contestants if name != contest.peer]
    differences: dict[str, float] = {}

    def check(first: Mapping[str, Sample]) -> None:
        agreement = contest.agreement
        for name in ours:
            differences[name] = agreement.difference(first[name], first[contest.peer])
            # Written so that a NaN fails.
            if not differences[name] <= agreement.tolerance:
                raise UserError(f"{contest.benchmark}, {contest.case}: {name} and {contest.peer} do not give the same answer ({agreement.what}: {differences[name]:.3g}, allowed {agreement.tolerance:g}); not timed")  # fmt: skip

    samples = in_turn(contest.contestants, turns, check)
    hardware = record(contest.packages)
    results.store(
        contest.benchmark,
        [
            {"case": contest.case, "system": name, "turn": turn, "seconds": sample.seconds, "peak_mib": sample.peak_mib,
             "measured": contest.quantity, "value": contest.measured(sample), **hardware}
            for name, found in samples.items() for turn, sample in enumerate(found)
        ],
        folder=folder,
    )  # fmt: skip
    rows = []
    for name in ours:
        theirs, own = ([contest.measured(sample) for sample in samples[key]] for key in (contest.peer, name))
        found = ratio(theirs, own)
        rows.append(
            {"benchmark": contest.benchmark, "case": contest.case, "system": name, "peer": contest.peer, "measured": contest.quantity,
             "ours": statistics.median(own), "theirs": statistics.median(theirs), "ratio": found.value, "low": found.low, "high": found.high,
             "turns": turns, "ours_mib": statistics.median(sample.peak_mib for sample in samples[name]),
             "theirs_mib": statistics.median(sample.peak_mib for sample in samples[contest.peer]),
             "agreement": contest.agreement.what, "difference": differences[name], "tolerance": contest.agreement.tolerance, **hardware}
        )  # fmt: skip
        print(
            f"{contest.benchmark}, {contest.case}: {name} {rows[-1]['ours']:.3g} s, {contest.peer} {rows[-1]['theirs']:.3g} s: "
            f"{found.value:.2f} x ({found.low:.2f} to {found.high:.2f} in {turns} turns); "
            f"{contest.agreement.what} {differences[name]:.2g}, allowed {contest.agreement.tolerance:g}",
            flush=True,
        )
    results.store(results.COMPARISONS, rows, ("benchmark", "case", "system"), folder)
    return samples


@dataclass(frozen=True)
class Measurement:
    """A number without a peer, and the most that it may be, where there is such a limit."""

    quantity: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def kept(self) -> str:
        """`yes` or `no`, empty without a limit."""
        return "" if self.limit is None else "yes" if self.value <= self.limit else "no"


def note(
    benchmark: str, case: str, found: Sequence[Measurement], packages: tuple[str, ...], folder: Path = results.FOLDER
) -> None:
    """Print measurements and write them to `measurements.csv`.

    Args:
        benchmark: its name.
        case: what was measured, sizes included.
        found: the measurements.
        packages: those whose versions are recorded.
        folder: where results are written.
    """
    hardware = record(packages)
    for one in found:
        limit = "" if one.limit is None else f", limit {one.limit:g}: {'kept' if one.kept == 'yes' else 'NOT KEPT'}"
        print(f"{benchmark}, {case}: {one.quantity} {one.value:.4g} {one.unit}{limit}", flush=True)
    rows = [
        {"benchmark": benchmark, "case": case, "quantity": one.quantity, "value": float(one.value), "unit": one.unit,
         "limit": "" if one.limit is None else float(one.limit), "kept": one.kept, **hardware}
        for one in found
    ]  # fmt: skip
    results.store(results.MEASUREMENTS, rows, ("benchmark", "case", "quantity"), folder)
