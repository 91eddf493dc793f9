"""The summary of a cell's page: at most five sentences made of its numbers, each linked to its section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from patent_embeddings.evaluation.scores import pick
from patent_embeddings.evaluation.systems import SHOWN, SYSTEMS, Task
from patent_embeddings.grid.wording import listed
from patent_embeddings.pages.cell.leaders import Kept, Leader, kept, leader
from patent_embeddings.pages.cell.provenance import dev_losses
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults
from patent_embeddings.pages.failures.queries import METRIC

FEW = 3  # up to so many landscapes are named one by one; beyond, only the extremes
_NAMES = {
    "bm25": "BM25 alone", "dense": "dense alone", "rrf": "RRF", "interpolation": "interpolation",
    "reranked": "the reranked run",
}  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """A sentence of the summary: `subject` links to a section of the page by its id; a command may end it."""

    section: str
    subject: str
    rest: str
    command: str = ""

    @property
    def after(self) -> str:
        """What follows the subject, after a blank where it begins with a word."""
        return self.rest if self.rest.startswith((":", ",")) else f" {self.rest}"


def answer(cell: CellResults) -> list[Sentence]:
    """The summary: the best system, IN against OUT, fine-tuning, texts that are cut, simulated landscapes."""
    leaders = {one.name: found for one in cell.landscapes if (found := leader(one.outcomes))}
    first = [_best(cell, leaders), _scopes(cell, leaders)] if leaders else [_labels(cell)]
    return [one for one in (*first, _tuning(cell), _cut(cell), _simulated(cell)) if one]


def _best(cell: CellResults, leaders: Mapping[str, Leader]) -> Sentence:
    if len(leaders) > FEW:
        counts = Counter(_NAMES[one.system] for one in leaders.values()).most_common()
        best = listed(f"{name} on {count}" for name, count in counts)
        sure = sum(one.significant for one in leaders.values())
        ties = sum(bool(one.level) for one in leaders.values())
        tied = f" and tied with another system on {ties}" if ties else ""
        rest = f"({METRIC}) is {best} of {len(leaders)} landscapes, significantly ahead on {sure}{tied}"
        return Sentence("retrieval", "Best in retrieval", rest)
    told = []
    for name, one in leaders.items():
        scored = f"{METRIC} {one.score:.3f} over {_count(one.queries, 'test query', 'test queries')}"
        tied = f", tied with {listed(_NAMES[level] for level in one.level)}," if one.level else ""
        judged = _judged(cell, name, one.system)
        told.append(f"{_NAMES[one.system]}{tied} on {name} ({scored}{judged}), {_lead(one)}")
    return Sentence("retrieval", "Best in retrieval", f"is {'; '.join(told)}")


def _lead(one: Leader) -> str:
    """The lead over the next system, and whether it is significant."""
    if not one.second:
        return "so no system leads"
    lead = f"+{one.lead:.3f}" if one.lead >= 0.0005 else "by less than 0.0005"
    ahead = f"ahead of {_NAMES[one.second]} ({lead}"
    if not one.testable:
        return f"{ahead}): too few queries to test that"
    if one.level:
        return f"{ahead})"
    beaten = ": nothing that uses the vectors scores higher" if one.system == "bm25" else ""
    p = "p < 0.001" if one.p < 0.001 else f"p = {one.p:.2g}"
    return f"{'significantly' if one.significant else 'not significantly'} {ahead}, {p}){beaten}"


def _judged(cell: CellResults, landscape: str, system: str) -> str:
    ours = cell.scores[cell.scores["landscape"] == landscape]
    share = pick(ours, "retrieval", system, "all", "Judged@10")
    return "" if share is None else f", {share:.0%} of its top ten judged"


def _scopes(cell: CellResults, leaders: Mapping[str, Leader]) -> Sentence:
    found = {one.name: kept(one.outcomes, leaders[one.name].system) for one in cell.landscapes if one.name in leaders}
    both = {name: one for name, one in found.items() if one}
    if not both:
        rest = "cannot be compared: no test query has relevant families of both kinds"
        return Sentence("inout", "In-domain and out-of-domain retrieval", rest)
    known = {name: one for name, one in both.items() if one.share == one.share}
    if len(known) > FEW:
        reached = _spread({name: one.share for name, one in known.items()})
        rest = f", the best system reaches {reached} of its in-domain score, over {len(known)} landscapes"
        return Sentence("inout", "Out of the query's domain", rest)
    told = [_reached(_NAMES[leaders[name].system], name, one) for name, one in both.items()]
    return Sentence("inout", "Out of the query's domain", f", {'; '.join(told)}")


def _reached(system: str, landscape: str, one: Kept) -> str:
    queries = _count(one.queries, "query has both", "queries have both")
    if one.share != one.share:
        return f"{system} cannot be compared with its in-domain score on {landscape}, which is 0 ({queries})"
    interval = f"95 % interval {one.low:.0%} to {one.high:.0%}, {queries}"
    sure = interval if one.low == one.low else f"{queries}, too few for an interval"
    return f"{system} reaches {one.share:.0%} of its in-domain score on {landscape} ({sure})"


def _labels(cell: CellResults) -> Sentence:
    """The first sentence of a cell without retrieval scores."""
    tasks: tuple[Task, ...] = ("classification", "clustering")
    for task in tasks:
        if told := [said for one in cell.landscapes if (said := _against_floor(cell, one.name, task))]:
            more = f"; and {_count(len(told) - FEW, 'landscape', 'landscapes')} more" if len(told) > FEW else ""
            return Sentence(task, "No retrieval could be scored", f"here; {'; '.join(told[:FEW])}{more}")
    return Sentence("missing", "Nothing could be scored", "on any landscape, for the reasons below")


def _against_floor(cell: CellResults, landscape: str, task: Task) -> str:
    """Score of the leading system of a task on a landscape, and of its floor; "" without a score."""
    lead, metric = SHOWN[task]
    floor = next(one.name for one in SYSTEMS if one.task == task and one.role == "floor")
    ours = cell.scores[cell.scores["landscape"] == landscape]
    score, least = (pick(ours, task, system, None, metric) for system in (lead, floor))
    if score is None:
        return ""
    against = "" if least is None else f", against {least:.3f} of {floor}"
    return f"{metric} of {lead} is {score:.3f} on {landscape}{against}"


def _tuning(cell: CellResults) -> Sentence:
    """The loss before and after; the effect on scores is the difference to another cell."""
    if not cell.recipe.signals:
        return Sentence("training", "Nothing was fine-tuned", "(zero-shot)")
    subject = f"Fine-tuning with {cell.params.recipe} on {listed(cell.trained_on)}"
    mend = "to see its effect on the scores, compute the zero-shot cell with the same options"
    return Sentence("training", subject, f"{_losses(cell)}; {mend}", "dvc exp run -S recipe=zero-shot")


def _losses(cell: CellResults) -> str:
    before, after = dev_losses(cell)
    if before is None or after is None:
        return "was not checked on dev pairs"
    if cell.recipe.merge:
        return f"averaged {len(cell.trained_on)} adapters" if len(cell.trained_on) > 1 else "merged one adapter"
    scale = cell.recipe.weight * cell.params.embed.adapter_scale
    used = f" (the adapter is then weighed by {scale:g})" if scale != 1 else ""
    if after < before:
        return f"lowered the loss on dev pairs from {before:.3f} to {after:.3f}{used}"
    return f"did not lower the loss on dev pairs: {before:.3f} before, {after:.3f} after{used}"


def _cut(cell: CellResults) -> Sentence:
    """Share of the texts of the cell's views that are cut, by side and landscape."""
    params, length = cell.params, cell.model.length
    passages = bool(params.embed.passages.tokens)  # documents are then read to their end
    own = cell.model.query_length not in (None, length)  # queries are cut elsewhere, and were not counted there
    # Queries in their own words are no texts of a view.
    asked = [one for one in cell.landscapes if not own and not (one.queries["text"] != "").any()]
    sides = {"documents": (params.document_view, [] if passages else cell.landscapes)}
    sides["queries"] = (params.query_view, asked)
    if not passages and asked and params.document_view == params.query_view:
        sides = {"texts": sides["documents"]}
    shares = {
        f"{side} (view {view})": {one.name: _share(one, view) for one in places}
        for side, (view, places) in sides.items()
        if places
    }
    more = ["documents are read to their end, in passages"] if passages else []
    more += [f"queries are cut at {cell.model.query_length} tokens"] if own else []
    if any(share for here in shares.values() for share in here.values()):
        cut = ", ".join(f"{_spread(here)} of the {side}" for side, here in shares.items())
        return Sentence("texts", f"Texts longer than {length} tokens are cut", "; ".join([f": {cut}", *more]))
    sampled = any(_lengths(one, view)["families"] > _lengths(one, view)["sampled"]
                  for view, places in sides.values() for one in places)  # fmt: skip
    fit = [f"all {listed(shares)}{' in it' * sampled} fit into {length} tokens"] if shares else []
    what = f"No {'document' if own else 'text'}{' in a sample' * sampled}"
    return Sentence("texts", f"{what} is cut", f": {'; '.join([*fit, *more])}")


def _spread(shares: Mapping[str, float]) -> str:
    """Shares by landscape; of many landscapes the least and the greatest."""
    if len(shares) > FEW:
        least, most = (choose(shares, key=lambda name: shares[name]) for choose in (min, max))
        return f"{_percent(shares[least])} ({least}) to {_percent(shares[most])} ({most})"
    if len(shares) == 1:
        return _percent(next(iter(shares.values())))
    return listed(f"{_percent(share)} ({name})" for name, share in shares.items())


def _lengths(one: LandscapeResults, view: str) -> dict[str, float]:
    of = one.lengths[one.lengths["view"] == view]
    return dict(zip(of["statistic"], of["value"], strict=True))


def _share(one: LandscapeResults, view: str) -> float:
    value = _lengths(one, view)
    return float(value["truncated"] / max(value["sampled"], 1))


def _percent(share: float) -> str:
    """A share in per cent; never rounded to 0 or 100."""
    if 0 < share < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _simulated(cell: CellResults) -> Sentence | None:
    if not (simulated := cell.simulated):
        return None
    verb, their = ("is", "its") if len(simulated) == 1 else ("are", "their")
    rest = f": {their} families are generated around planted effects, so the scores say nothing about real patents"
    return Sentence("licences", f"{listed(simulated)} {verb} simulated", rest)


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
