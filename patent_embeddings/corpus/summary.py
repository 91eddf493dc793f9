"""Summarise a landscape in lines of text, the same when it is added and when it is shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.feasibility import scorable
from patent_embeddings.corpus.judgements import judgements, queries, scoped
from patent_embeddings.corpus.labels import OWN, beside_levels, label_sets
from patent_embeddings.corpus.near_duplicates import near
from patent_embeddings.corpus.schemas import SCOPES
from patent_embeddings.corpus.splits import split_of

SECTIONS = ("title", "abstract", "claims", "description")
_HINTED = "columns that may be known ones under another name (rename them to have them read)"
LACKS = "what such an export lacks"
_OUTSIDE = "citations dropped, outside the landscape"
_LANGUAGE = re.compile(rf"({'|'.join(SECTIONS)}): in (.+)")
_ABSTRACT = 2000  # characters of each text that are compared
_SHOWN = 6  # countries listed


@dataclass(frozen=True)
class Held:
    """A landscape with its queries, judgements and labels."""

    raw: Raw
    relevance: str
    own: bool  # whether the judgements are the user's
    qrels: pd.DataFrame  # rows of `QRELS`
    queries: pd.DataFrame  # rows of `QUERIES`
    labels: pd.DataFrame  # rows of `LABELS`
    threshold: int  # lowest grade that binary metrics count as relevant


def held(raw: Raw, relevance: str, seed: int, fold: int, threshold: int = 1) -> Held:
    """A landscape with its tasks under a split; `relevance` is `cited`, `linked` or `judged`, as in its entry."""
    families, own = raw.families, relevance == "judged"
    splits = split_of([*families["family_id"], *raw.queries["query_id"]], seed, fold)
    if own:
        judged = scoped(raw.relations, families, raw.queries)
    else:
        judged = raw.relations if len(raw.relations) else judgements(raw.citations, families, relevance)
    kind = "judged" if len(raw.relations) else relevance
    asked, labels = queries(judged, splits, raw.queries), label_sets(families, splits)
    return Held(raw, kind, own, judged, asked, labels, threshold)


def summary(found: Held) -> list[str]:
    """The lines of `grouped`, indented under the name of their group."""
    return [line for name, lines in grouped(found).items() for line in (name, *(f"  {one}" for one in lines))]


def grouped(found: Held) -> dict[str, list[str]]:
    """Lines about a landscape by group; each note from reading is put into the group that it belongs to."""
    notes = {key: told(value) for key, value in found.raw.notes.items() if value and key != "families"}
    empty = (found.raw.families[["ipc", "claims"]].map(len) == 0).all().any()
    if len(found.queries) and not empty:
        notes.pop(LACKS, None)  # only some exports of the format lack it
    groups: dict[str, Iterable[str]] = {
        "families": [
            *_families(found.raw.families, _languages(notes)),
            *_taken(notes, r"publication|^families of|: (trunc|place)"),
        ],
        "codes and labels": [*_codes(found.raw.families), *_taken(notes, r"entries left out|^lists separated")],
        "citations": _taken(notes, r"citation|cited"),
        "queries": [*_queries(found), *_taken(notes, r"quer(y|ies)|judge")],
        "texts": [*_taken(notes, r"that share"), *_near(found.raw.families)],
        "what can be scored": scorable(found.qrels, found.queries, found.labels, _lost(found), every=found.own),
        "how it was read": [f"{key}: {value}" for key, value in notes.items()],
    }
    return {name: lines for name, found_ in groups.items() if (lines := list(found_))}


def told(value: Any) -> str:
    """A note's value as text."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _taken(notes: dict[str, str], pattern: str) -> list[str]:
    """Take the notes whose key matches the pattern out of `notes`, as lines."""
    names = [name for name in notes if re.search(pattern, name)]
    return [f"{name}: {notes.pop(name)}" for name in names]


def _languages(notes: dict[str, str]) -> dict[str, str]:
    """Take the languages of each section out of `notes`, as the end of its line."""
    found: dict[str, list[str]] = {}
    for name, (section, language) in [(name, one.groups()) for name in notes if (one := _LANGUAGE.fullmatch(name))]:
        found.setdefault(section, []).append(f"{notes.pop(name)} {language}")
    return {section: f"; language: {', '.join(each)}" for section, each in found.items()}


def _families(families: pd.DataFrame, languages: dict[str, str]) -> Iterable[str]:
    yield f"families: {len(families):,}"
    for section in SECTIONS:
        count = words(families, section)
        median = f", median {count.median():,.0f} words" if len(count) else ""
        yield f"{section}: {having(families, section)}{median}{languages.get(section, '')}"
    for column in ("date", "priority"):
        dates = families[column][families[column] != ""]
        if len(dates) or column == "date":
            yield f"{column}: {having(families, column)}" + (f", {dates.min()} to {dates.max()}" if len(dates) else "")
    offices = Counter(families["jurisdiction"][families["jurisdiction"] != ""])
    if offices:
        named = ", ".join(f"{name} {count:,}" for name, count in offices.most_common(_SHOWN))
        yield f"jurisdiction: {named}" + (f", {len(offices) - _SHOWN} more" if len(offices) > _SHOWN else "")


def _codes(families: pd.DataFrame) -> Iterable[str]:
    for column in ("ipc", "cpc", "domains", "labels"):
        if column != "domains" or families[column].str.len().any():
            yield f"{column}: {having(families, column)}, {families[column].explode().nunique():,} distinct"
    labels = list(families["labels"].explode().dropna())
    plain = beside_levels(labels)
    if labels and not plain:
        levels = sorted({label.split(":")[0] for label in labels})
        yield f"levels of labels: {', '.join(f'{level} ({OWN}-{level})' for level in levels)}"
    elif 0 < len(plain) < len(labels):
        yield f"labels without LEVEL: {len(plain):,} of {len(labels):,}, such as {plain[0]:.60}; so colons mean nothing"


def _queries(found: Held) -> Iterable[str]:
    relevant = found.qrels[found.qrels["relevance"] > 0]
    judged = found.relevance == "judged"
    pairs = f"{len(relevant):,} judged" if judged else f"{len(found.raw.citations):,} citation"
    yield f"queries: {len(found.queries):,} queries with a relevant family ({found.relevance}), {pairs} pairs"
    if relevant.empty:
        return
    sides = {one: relevant.loc[relevant["scope"] == one, "query_id"] for one in SCOPES}
    yield f"relevant pairs by domain: {', '.join(f'{len(those):,} {one}' for one, those in sides.items())}"
    asked = ", ".join(f"{those.nunique():,} {one}" for one, those in sides.items())
    yield f"queries with such: {asked}; {len(set(sides['in']) & set(sides['out'])):,} both in and out"
    if found.own and found.threshold > 1:
        high = relevant[relevant["relevance"] >= found.threshold]
        lacking = len(found.queries) - high["query_id"].nunique()
        none = f"; {lacking:,} queries have none and score 0 there" if lacking else ""
        yield f"of grade {found.threshold} or more, which R@100, AP and RR count: {len(high):,} pairs{none}"
    coded = int((found.raw.queries["ipc"].str.len() > 0).sum())
    if coded and found.raw.families["domains"].str.len().any():
        yield f"queries with codes, which say nothing as the families have domains: {coded:,}"


def _near(families: pd.DataFrame) -> list[str]:
    """How many families have a near-duplicate abstract, or claims or description if they have no abstract."""
    text = families["abstract"].where(families["abstract"] != "", families["claims"])
    text = text.where(text != "", families["description"]).str.slice(stop=_ABSTRACT)
    if not (pairs := near(text.tolist())):
        return []
    first, second = (families["family_id"].iloc[place] for place in pairs[0])
    return [f"families whose abstract nearly is another's: {len(pairs):,}, such as {second} and {first}"]


def _lost(found: Held) -> str:
    """Why the landscape has no relevant pair."""
    notes = found.raw.notes
    outside = notes.get(_OUTSIDE, 0)
    if isinstance(outside, int) and outside:
        return f"none of the {outside:,} cited ids is a family of the landscape"
    hinted = [name for name in notes.get(_HINTED, []) if "cites" in name.split(" (")[1]]
    return f"no column cites, for which {hinted[0].split(' (')[0]} may stand" if hinted else "no citations"


def words(families: pd.DataFrame, section: str) -> pd.Series[int]:
    """The number of words of a section, for each family that has it."""
    return pd.Series([len(text.split()) for text in families[section] if text], dtype=int)


def having(families: pd.DataFrame, column: str) -> str:
    """How many families have a value in a column, as text."""
    count = int((families[column].str.len() > 0).sum())
    return f"{count:,} families ({count / len(families):.1%})"
