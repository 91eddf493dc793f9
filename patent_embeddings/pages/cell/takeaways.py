"""What a reader takes away of a cell: at most five sentences made of its numbers, each with where there is more."""

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
from patent_embeddings.pages.failures.data import METRIC

FEW = 3  # landscapes that are named one by one; of more the extremes are
_NAMES = {
    "bm25": "BM25 alone", "dense": "dense alone", "rrf": "RRF", "interpolation": "interpolation",
    "reranked": "the reranked run",
}  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """One of the answer: its first words are the link to a section of the page, by id; a command may end it."""

    section: str
    subject: str
    rest: str
    command: str = ""

    @property
    def after(self) -> str:
        """What follows its first words, with the blank between where it begins with a word."""
        return self.rest if self.rest.startswith((":", ";")) else f" {self.rest}"


def answer(cell: CellResults) -> list[Sentence]:
    """One to five sentences: what is best, IN against OUT, tuning, what is cut, what is simulated."""
    leaders = {one.name: found for one in cell.landscapes if (found := leader(one.outcomes))}
    first = [_best(cell, leaders), _scopes(cell, leaders)] if leaders else [_labels(cell)]
    return [one for one in (*first, _tuning(cell), _cut(cell), _simulated(cell)) if one]


def _best(cell: CellResults, leaders: Mapping[str, Leader]) -> Sentence:
    if len(leaders) > FEW:
        counts = Counter(_NAMES[one.system] for one in leaders.values()).most_common()
        best = listed(f"{name} on {count}" for name, count in counts)
        sure = sum(one.significant for one in leaders.values())
        rest = f"({METRIC}) is {best} of {len(leaders)} landscapes, with a significant lead on {sure}"
        return Sentence("retrieval", "Best in retrieval", rest)
    told = []
    for name, one in leaders.items():
        scored = f"{METRIC} {one.score:.3f} over {_count(one.queries, 'test query', 'test queries')}"
        told.append(f"{_named(one)} on {name} ({scored}{_judged(cell, name, one.system)}), {_lead(one)}")
    return Sentence("retrieval", "Best in retrieval", f"is {'; '.join(told)}")


def _named(one: Leader) -> str:
    return _NAMES[one.system] + (f", level with {listed(_NAMES[name] for name in one.level)}," if one.level else "")


def _lead(one: Leader) -> str:
    """How sure the lead is."""
    if not one.second:
        return "so that none leads"
    lead = f"+{one.lead:.3f}" if one.lead >= 0.0005 else "by less than 0.0005"
    ahead = f"ahead of {_NAMES[one.second]} ({lead}"
    if not one.testable:
        return f"{ahead}), which so few queries cannot test"
    if one.level:
        return f"{ahead})"
    beaten = ": nothing that uses the vectors scores higher" if one.system == "bm25" else ""
    return f"{'significantly' if one.significant else 'not significantly'} {ahead}, {_p(one.p)}){beaten}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.2g}"


def _judged(cell: CellResults, landscape: str, system: str) -> str:
    ours = cell.scores[cell.scores["landscape"] == landscape]
    share = pick(ours, "retrieval", system, "all", "Judged@10")
    return "" if share is None else f", {share:.0%} of its ten best judged"


def _scopes(cell: CellResults, leaders: Mapping[str, Leader]) -> Sentence:
    found = {one.name: kept(one.outcomes, leaders[one.name].system) for one in cell.landscapes if one.name in leaders}
    both = {name: one for name, one in found.items() if one}
    if not both:
        rest = "cannot be told: no test query has relevant families of both kinds"
        return Sentence("inout", "IN against OUT", rest)
    known = {name: one for name, one in both.items() if one.share == one.share}
    if len(known) > FEW:
        reached = _spread({name: one.share for name, one in known.items()})
        rest = f"the best system reaches {reached} of its score IN, over {len(known)} landscapes"
        return Sentence("inout", "Out of the query's domain", rest)
    told = [f"{_NAMES[leaders[name].system]} {_reached(one)} on {name} ({_sure(one)})" for name, one in both.items()]
    return Sentence("inout", "Out of the query's domain", "; ".join(told))


def _reached(one: Kept) -> str:
    if one.share != one.share:
        return "finds nothing IN that could be lost"
    return f"reaches {one.share:.0%} of its score IN"


def _sure(one: Kept) -> str:
    queries = _count(one.queries, "query has both", "queries have both")
    if one.share != one.share:
        return queries
    return (
        f"{queries}, too few for an interval" if one.low != one.low else f"{one.low:.0%} to {one.high:.0%}, {queries}"
    )


def _labels(cell: CellResults) -> Sentence:
    """What is said of a cell without retrieval."""
    tasks: tuple[Task, ...] = ("classification", "clustering")
    for task in tasks:
        if told := [said for one in cell.landscapes if (said := _against_floor(cell, one.name, task))]:
            more = f"; and {_count(len(told) - FEW, 'landscape', 'landscapes')} more" if len(told) > FEW else ""
            return Sentence(task, "No retrieval could be scored", f"here; {'; '.join(told[:FEW])}{more}")
    return Sentence("missing", "Nothing could be scored", "on any landscape, for the reasons below")


def _against_floor(cell: CellResults, landscape: str, task: Task) -> str:
    """Score of the system that leads a task on a landscape, and what no text at all reaches."""
    lead, metric = SHOWN[task]
    floor = next(one.name for one in SYSTEMS if one.task == task and one.role == "floor")
    ours = cell.scores[cell.scores["landscape"] == landscape]
    score, least = (pick(ours, task, system, None, metric) for system in (lead, floor))
    if score is None:
        return ""
    beside = "" if least is None else f", against {least:.3f} of {floor}"
    return f"{metric} of {lead} is {score:.3f} on {landscape}{beside}"


def _tuning(cell: CellResults) -> Sentence:
    """What is known of it in the cell itself; what it changes in scores, another cell tells."""
    if not cell.recipe.signals:
        return Sentence("training", "Nothing was tuned", "here: the model is as published")
    elsewhere = [one.name for one in cell.landscapes if one.name not in cell.trained_on]
    where = f"here and on {listed(elsewhere)}" if elsewhere else "here"
    asked = f"to see what that changes in the scores {where}, compute the zero-shot cell of the same options"
    subject = f"Tuning with {cell.params.recipe} on {listed(cell.trained_on)}"
    return Sentence("training", subject, f"{_losses(cell)}; {asked}", "dvc exp run -S recipe=zero-shot")


def _losses(cell: CellResults) -> str:
    before, after = dev_losses(cell)
    if before is None or after is None:
        return "was held against no dev pairs"
    if cell.recipe.merge:
        return f"averaged {len(cell.trained_on)} adapters" if len(cell.trained_on) > 1 else "merged one adapter"
    scale = cell.recipe.weight * cell.params.embed.adapter_scale
    used = f", of which the adapter is used at {scale:g}" if scale != 1 else ""
    if after < before:
        return f"brought the loss on dev pairs from {before:.3f} to {after:.3f}{used}"
    return f"did not lower the loss on dev pairs ({before:.3f} as published, {after:.3f} tuned{used})"


def _cut(cell: CellResults) -> Sentence:
    """Share of the texts of the cell's views that are cut, by side and landscape."""
    params, length = cell.params, cell.model.length
    passages = bool(params.embed.passages.tokens)  # documents are read in them, to their end
    # Queries in their own words are no texts of a view.
    asked = [one for one in cell.landscapes if not (one.queries["text"] != "").any()]
    sides = {"documents": (params.document_view, [] if passages else cell.landscapes)}
    sides["queries"] = (params.query_view, asked)
    if not passages and asked and params.document_view == params.query_view:
        sides = {"texts": sides["documents"]}
    shares = {
        f"{side} ({view})": {one.name: _share(one, view) for one in places}
        for side, (view, places) in sides.items()
        if places
    }
    read = "; documents are read in passages, to their end" if passages else ""
    if not any(share for here in shares.values() for share in here.values()):
        every = f": all {listed(shares)} fit into {length} tokens" if shares else ""
        return Sentence("texts", "No text is cut", every + read)
    told = "; ".join(f"{_spread(here)} of the {side}" for side, here in shares.items())
    return Sentence("texts", f"Cut at {length} tokens", f"are {told}{read}")


def _spread(shares: Mapping[str, float]) -> str:
    """Shares by landscape; of many the least and the greatest."""
    if len(shares) > FEW:
        least, most = (choose(shares, key=lambda name: shares[name]) for choose in (min, max))
        return f"{_percent(shares[least])} ({least}) to {_percent(shares[most])} ({most})"
    if len(shares) == 1:
        return _percent(next(iter(shares.values())))
    return listed(f"{_percent(share)} ({name})" for name, share in shares.items())


def _share(one: LandscapeResults, view: str) -> float:
    of = one.lengths[one.lengths["view"] == view]
    value = dict(zip(of["statistic"], of["value"], strict=True))
    return float(value["truncated"] / max(value["sampled"], 1))


def _percent(share: float) -> str:
    """A share, never rounded to none or all of it."""
    if 0 < share < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _simulated(cell: CellResults) -> Sentence | None:
    if not (simulated := cell.simulated):
        return None
    verb = "is" if len(simulated) == 1 else "are"
    rest = ": families generated and structure planted, so that these scores say nothing about real patents"
    return Sentence("licences", f"{listed(simulated)} {verb} simulated", rest)


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
