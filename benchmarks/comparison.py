"""Comparison with a peer: check that both give the same answer, time them in turn, take the ratio of medians."""

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
class Contest:
    """A benchmark against its peer."""

    benchmark: str
    case: str  # what is measured, sizes included
    peer: str
    contestants: Mapping[str, Contestant]  # the peer, and one or more of ours
    agreement: str  # how far an answer is from the peer's, in words: `largest difference of a vector's entry`
    tolerance: float  # the largest such difference that is allowed
    difference: Callable[[Sample, Sample], float]  # of the samples of one turn, ours and the peer's
    packages: tuple[str, ...]  # whose versions are recorded
    quantity: str = "seconds"  # `seconds` of the whole process, or the name of a value that the contestants return

    def measured(self, sample: Sample) -> float:
        """The quantity of one run."""
        return sample.seconds if self.quantity == "seconds" else float(sample.values[self.quantity])


def hold(contest: Contest, turns: int, folder: Path = results.FOLDER) -> None:
    """Run a contest, print its ratios and write its turns to `BENCHMARK.csv`, its ratios to `comparisons.csv`.

    Raises UserError: the answers differ by more than the tolerance; then nothing more is timed or written.
    """
    ours = [name for name in contest.contestants if name != contest.peer]
    differences: dict[str, float] = {}
    peer, tolerance, title = contest.peer, contest.tolerance, f"{contest.benchmark}, {contest.case}"

    def check(first: Mapping[str, Sample]) -> None:
        for name in ours:
            differences[name] = contest.difference(first[name], first[peer])
            if not differences[name] <= tolerance:  # written so that a NaN fails
                apart = f"{contest.agreement}: {differences[name]:.3g}, allowed {tolerance:g}"
                raise UserError(f"{title}: {name} and {peer} do not give the same answer ({apart}); not timed")

    samples = in_turn(contest.contestants, turns, check)
    hardware = record(contest.packages)
    rows: list[results.Row] = []
    for name, found in samples.items():
        for turn, sample in enumerate(found):
            row: results.Row = {"case": contest.case, "system": name, "turn": turn, "seconds": sample.seconds}
            row |= {"peak_mib": sample.peak_mib, "measured": contest.quantity, "value": contest.measured(sample)}
            rows.append(row | hardware)
    results.store(contest.benchmark, rows, folder=folder)
    rows = []
    for name in ours:
        theirs, own = ([contest.measured(sample) for sample in samples[key]] for key in (peer, name))
        mib = [statistics.median(sample.peak_mib for sample in samples[key]) for key in (name, peer)]
        middle, apart, (times, low, high) = statistics.median, differences[name], ratio(theirs, own)
        row = {"benchmark": contest.benchmark, "case": contest.case, "system": name, "peer": peer}
        row |= {"measured": contest.quantity, "ours": middle(own), "theirs": middle(theirs), "ratio": times}
        row |= {"low": low, "high": high, "turns": turns, "ours_mib": mib[0], "theirs_mib": mib[1]}
        row |= {"agreement": contest.agreement, "difference": apart, "tolerance": tolerance}
        rows.append(row | hardware)
        print(
            f"{title}: {name} {row['ours']:.3g} s, {peer} {row['theirs']:.3g} s: {times:.2f} x "
            f"({low:.2f} to {high:.2f} in {turns} turns); "
            f"{contest.agreement} {apart:.2g}, allowed {tolerance:g}",
            flush=True,
        )
    results.store(results.COMPARISONS, rows, ("benchmark", "case", "system"), folder)


@dataclass(frozen=True)
class Measurement:
    """A number without a peer, and its limit, where it has one."""

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
    """Print measurements of a case and write them to `measurements.csv`."""
    rows: list[results.Row] = []
    for one in found:
        limit = "" if one.limit is None else f", limit {one.limit:g}: {'kept' if one.kept == 'yes' else 'NOT KEPT'}"
        print(f"{benchmark}, {case}: {one.quantity} {one.value:.4g} {one.unit}{limit}", flush=True)
        row: results.Row = {"benchmark": benchmark, "case": case, "quantity": one.quantity, "value": float(one.value)}
        row |= {"unit": one.unit, "limit": "" if one.limit is None else float(one.limit), "kept": one.kept}
        rows.append(row | record(packages))
    results.store(results.MEASUREMENTS, rows, ("benchmark", "case", "quantity"), folder)
