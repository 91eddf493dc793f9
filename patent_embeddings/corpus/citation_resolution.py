"""Resolve citations of publications to citations between families."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from patent_embeddings.corpus.family_grouping import member_numbers, other_numbers, own_numbers
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.publication_numbers import known_as, marked
from patent_embeddings.corpus.text_choice import country

_BY = re.compile(r"cited by (\w+)(?: party)?", re.IGNORECASE)
_OUTSIDE, _ITSELF = "outside the landscape", "to itself"
_APPLICATION, _STRANGE = "by the number of an application only", "no number of a publication"


def index(families: dict[str, list[Publication]]) -> dict[str, str]:
    """Map publication numbers, marked and in all forms in which they are known, to families.

    A family's own publications come first, then numbers of its applications, then members that it names; of several
    families the one with the smallest id.
    """
    owners: dict[str, str] = {}
    for numbers in (own_numbers, other_numbers, member_numbers):
        named: dict[str, str] = {}
        for family, records in families.items():  # ascending
            for one in records:
                for number in numbers(one):
                    named.setdefault(number, family)
        owners = named | owners
    forms = ((form, family) for number, family in sorted(owners.items(), reverse=True) for form in known_as(number))
    return dict(forms) | owners


def resolved(
    families: dict[str, list[Publication]], owners: dict[str, str]
) -> tuple[list[tuple[str, str, str]], dict[str, int | list[str]]]:
    """Resolve the citations of all publications by the `owners` of their numbers.

    Returns distinct pairs of two families (citing, cited, categories), ascending, and notes: how many citations were
    kept and dropped, by reason, with an example of each.
    """
    pairs: list[tuple[str, str, str]] = []
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    literature = 0
    for family, records in families.items():
        kept: dict[str, set[str]] = {}
        dropped: dict[str, dict[str, str]] = {why: {} for why in (_OUTSIDE, _ITSELF, _APPLICATION, _STRANGE)}
        for one in records:
            literature, place = literature + one.literature, country(one)
            dropped[_APPLICATION].update((number, number) for number in one.applications)
            for citation in one.cites:
                number = marked(citation.number, place)
                owner = owners.get(number)
                if owner == family:
                    dropped[_ITSELF].setdefault(number, citation.number)
                elif owner is not None:
                    kept.setdefault(owner, set()).update(_categories(citation.category))
                else:
                    dropped[_OUTSIDE if number else _STRANGE].setdefault(number or citation.number, citation.number)
        pairs += [(family, owner, " ".join(sorted(kept[owner]))) for owner in sorted(kept)]
        for why, numbers in dropped.items():
            counts[why] += len(numbers)
            if numbers:
                examples.setdefault(why, next(iter(numbers.values())) + f" by {family}")
    notes: dict[str, int | list[str]] = {"citations kept": len(pairs)}
    notes |= {f"citations dropped, {why}": count for why, count in counts.items() if count}
    if literature:
        notes["citations dropped, literature"] = literature
    if examples:
        notes["citations dropped, one of each"] = [f"{why}: {examples[why]:.100}" for why in counts if counts[why]]
    if counts[_OUTSIDE] and not pairs and not counts[_ITSELF]:
        known = families[owners[min(owners)]][0].numbers[0] if owners else ""
        said = f"{examples[_OUTSIDE].rsplit(' by ', 1)[0]!r:.60} is cited, {known!r:.60} is here"
        notes["no cited number is one of the landscape's"] = [said]
    return pairs, notes


@lru_cache(maxsize=1 << 12)
def _categories(said: str) -> frozenset[str]:
    """Categories of one word each: `cited by examiner` becomes `examiner`."""
    return frozenset(_BY.sub(r"\1", said).split())
