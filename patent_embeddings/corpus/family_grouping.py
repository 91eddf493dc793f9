"""Group publications into families by rules, the strongest evidence first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

from scipy.cluster.hierarchy import DisjointSet

from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.publication_numbers import OFFICES, marked

_SIGNS = re.compile(r"[\W_]+")
_DATE = re.compile(
    r"(?<=[0-9A-Za-z])[\s,;]+\(?(?:(?:19|20)[0-9]{2}[-./]?[01][0-9][-./]?[0-3][0-9]"
    r"|[0-3]?[0-9][./-][01]?[0-9][./-](?:19|20)[0-9]{2})\)?\s*$"
)
# What two records may have in common: what this record says makes them one family, and what only another may say does.
Signs = tuple[Sequence[Hashable], Sequence[Hashable]]


def own_numbers(one: Publication) -> list[str]:
    """Its numbers, marked."""
    return [name for number in one.numbers if (name := marked(number, one.jurisdiction))]


def other_numbers(one: Publication) -> list[str]:
    """Numbers that its application was published under at another time, marked."""
    return [name for number in one.also if (name := marked(number, one.jurisdiction))]


def member_numbers(one: Publication) -> list[str]:
    """Those of its members that are publication numbers and not keys of the source, marked."""
    return [marked(member) for member in one.members if member[:2].upper() in OFFICES and marked(member)]


def source_family(one: Publication) -> str:
    """Its family id in the source; "" if it has none, which BigQuery writes as -1."""
    return "" if one.family.strip() == "-1" else one.family.strip()


def priorities(one: Publication) -> frozenset[str]:
    """Its priority numbers without signs and dates, and without its own application if others remain."""
    numbers = {_plain(number) for number in one.priorities} - {""}
    return frozenset(numbers - {_plain(one.application)} or numbers)


def _plain(number: str) -> str:
    return _SIGNS.sub("", _DATE.sub("", number)).upper()


def _by_family(one: Publication, numbers: list[str]) -> Signs:
    family = source_family(one)
    return [family.lstrip("0") or family] if family else [], []  # spreadsheets strip leading zeros


def _by_members(one: Publication, numbers: list[str]) -> Signs:
    own = [one.key, *numbers] if one.key else numbers
    return ([*own, *one.members, *member_numbers(one)], []) if one.members else ([], own)


def _by_priorities(one: Publication, numbers: list[str]) -> Signs:
    found = priorities(one)
    return [found] if found else [], []


def _by_application(one: Publication, numbers: list[str]) -> Signs:
    own = [("application", _plain(one.application))] if one.application else []
    found = priorities(one)
    first = [("application", *found)] if len(found) == 1 else []  # of the first filing itself, which has no priority
    return [*own, *other_numbers(one)], [*first, *numbers]


def _by_number(one: Publication, numbers: list[str]) -> Signs:
    return numbers, []


# In order: a rule joins records that earlier rules say nothing about, to one another or to settled groups.
RULES = {
    "by family id": _by_family,
    "by the members of a simple family": _by_members,
    "by equal priorities": _by_priorities,
    "by the same application": _by_application,
    "by the same number": _by_number,
}
_SURE = 3  # of these rules, the first ones settle a record: its group is a family, even of one record


def joined(records: list[Publication]) -> tuple[list[list[Publication]], Counter[str], int]:
    """Group records into families.

    Returns the records of each family, the number of publications that each rule joined to others, and the number of
    families of one publication that no rule settles.
    """
    groups, settled = DisjointSet(range(len(records))), set[int]()  # roots of groups, two of which are never joined
    numbers = [own_numbers(one) for one in records]
    alone = list(range(len(records)))
    by: Counter[str] = Counter()
    for step, (rule, signs) in enumerate(RULES.items()):
        holders: dict[Hashable, list[int]] = {}
        joining: dict[Hashable, None] = {}
        sure = set()
        for place, one in enumerate(records):
            joins, others = signs(one, numbers[place])
            joining.update(dict.fromkeys(joins))
            sure.update([place] if joins else [])
            for sign in (*joins, *others):
                holders.setdefault(sign, []).append(place)
        for sign in joining:
            for other in holders[sign][1:]:
                roots = {groups[holders[sign][0]], groups[other]}
                if len(roots) == 2 and not roots <= settled:
                    groups.merge(*roots)
                    settled.update([groups[other]] if roots & settled else [])
        if step < _SURE:
            settled.update(groups[place] for place in sure)
        still = [place for place in alone if groups.subset_size(place) == 1]
        by[rule] += len({number for place in {*alone} - {*still} for number in records[place].numbers})
        alone = still
    unsettled = sum(groups[place] not in settled and len(set(numbers[place])) < 2 for place in alone)
    return [[records[place] for place in sorted(places)] for places in groups.subsets()], +by, unsettled
