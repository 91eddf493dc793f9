"""Group publications into families by rules, the strongest evidence first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator

from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.publication_numbers import OFFICES, bare

_SIGNS = re.compile(r"[\W_]+")
_DATE = re.compile(
    r"(?<=[0-9A-Za-z])[\s,;]+\(?(?:(?:19|20)[0-9]{2}[-./]?[01][0-9][-./]?[0-3][0-9]"
    r"|[0-3]?[0-9][./-][01]?[0-9][./-](?:19|20)[0-9]{2})\)?\s*$"
)
# What two records may have in common, and whether this record says that it makes them one family.
Sign = tuple[Hashable, bool]


def own_numbers(one: Publication) -> list[str]:
    """Its numbers, bare."""
    return [name for number in one.numbers if (name := bare(number, one.jurisdiction))]


def other_numbers(one: Publication) -> list[str]:
    """Numbers that its application was published under at another time, bare."""
    return [name for number in one.also if (name := bare(number, one.jurisdiction))]


def member_numbers(one: Publication) -> list[str]:
    """Those of its members that are publication numbers and not keys of the source, bare."""
    return [bare(member) for member in one.members if member[:2].upper() in OFFICES and bare(member)]


def source_family(one: Publication) -> str:
    """Its family id in the source; "" if it has none, which BigQuery writes as -1."""
    return "" if one.family.strip() == "-1" else one.family.strip()


def priorities(one: Publication) -> frozenset[str]:
    """Its priority numbers without signs and dates, and without its own application if others remain."""
    numbers = {_plain(number) for number in one.priorities} - {""}
    return frozenset(numbers - {_plain(one.application)} or numbers)


def _plain(number: str) -> str:
    return _SIGNS.sub("", _DATE.sub("", number)).upper()


def _by_family(one: Publication, numbers: list[str]) -> Iterator[Sign]:
    if family := source_family(one):
        yield family.lstrip("0") or family, True  # spreadsheets strip leading zeros


def _by_members(one: Publication, numbers: list[str]) -> Iterator[Sign]:
    says = bool(one.members)
    if one.key:
        yield one.key, says
    for number in numbers:
        yield number, says
    for member in one.members:
        yield member, True
    for number in member_numbers(one):
        yield number, True


def _by_priorities(one: Publication, numbers: list[str]) -> Iterator[Sign]:
    if found := priorities(one):
        yield found, True


def _by_application(one: Publication, numbers: list[str]) -> Iterator[Sign]:
    if one.application:
        yield ("application", _plain(one.application)), True
    if len(found := priorities(one)) == 1:  # of the first filing itself, which has no priority
        yield ("application", *found), False
    for number in numbers:
        yield number, False
    for number in other_numbers(one):
        yield number, True


def _by_number(one: Publication, numbers: list[str]) -> Iterator[Sign]:
    for number in numbers:
        yield number, True


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
    groups = _Groups(len(records))
    numbers = [own_numbers(one) for one in records]
    alone = list(range(len(records)))
    by: Counter[str] = Counter()
    for step, (rule, signs) in enumerate(RULES.items()):
        holders: dict[Hashable, list[int]] = {}
        joining: dict[Hashable, None] = {}
        settled = set()
        for place, one in enumerate(records):
            for sign, joins in signs(one, numbers[place]):
                holders.setdefault(sign, []).append(place)
                if joins:
                    joining[sign] = None
                    settled.add(place)
        for sign in joining:
            first, *others = holders[sign]
            for other in others:
                groups.join(first, other)
        if step < _SURE:
            groups.settle(settled)
        still = [place for place in alone if groups.size[groups.root(place)] == 1]
        by[rule] += len({number for place in {*alone} - {*still} for number in records[place].numbers})
        alone = still
    unsettled = sum(not groups.settled[place] and len(set(numbers[place])) < 2 for place in alone)
    return [[records[place] for place in places] for places in groups.members()], +by, unsettled


class _Groups:
    """Disjoint groups of records; two settled groups are never joined."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))
        self.size = [1] * count  # of a root
        self.settled = [False] * count  # of a root

    def root(self, place: int) -> int:
        while self.parent[place] != place:
            self.parent[place] = self.parent[self.parent[place]]
            place = self.parent[place]
        return place

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        if low != high and not (self.settled[low] and self.settled[high]):
            self.parent[high] = low
            self.size[low] += self.size[high]
            self.settled[low] = self.settled[low] or self.settled[high]

    def settle(self, places: set[int]) -> None:
        for place in places:
            self.settled[self.root(place)] = True

    def members(self) -> list[list[int]]:
        groups: dict[int, list[int]] = {}
        for place in range(len(self.parent)):
            groups.setdefault(self.root(place), []).append(place)
        return list(groups.values())
