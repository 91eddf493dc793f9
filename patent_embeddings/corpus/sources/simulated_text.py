"""Text of a simulated family: what each field calls things, and the sentences that say it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from patent_embeddings.corpus.sources.simulated_words import (
    COMMON_FACETS,
    CONCEPTS,
    FIELDS,
    GROUPS,
    PLAIN,
    Field,
    Group,
    Mechanism,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from patent_embeddings.corpus.entries import Simulated

_CATALOGUE = list(GROUPS.values())
MECHANISMS: tuple[tuple[int, Mechanism], ...] = tuple(
    (number, mechanism) for number, group in enumerate(_CATALOGUE) for mechanism in group.mechanisms
)
PER_GROUP = len(_CATALOGUE[0].mechanisms)
OPTIONS: tuple[int, ...] = (*(len(facet) for facet in _CATALOGUE[0].facets), *(len(facet) for facet in COMMON_FACETS))
_SLIP = 0.45  # how often a writer leaves the usual phrase of the field for another one
_PLAIN_SHARE = 0.6  # how often a part, place or trouble is one that any field may have
_PLAIN_BESIDE = 0.7  # the same for the parts that are not in front
_TELLING = 0.9  # how often a part of the field is one of the family's subclasses
_COMMON_SEED = 0  # of the wording that no landscape's seed changes


@dataclass(frozen=True)
class Family:
    """What a family is about. `options` names one option of each facet, the group's first."""

    seed: tuple[int, int]
    field: int
    mechanism: int
    options: tuple[int, ...]
    second: int  # a further mechanism, of another group, or -1
    subclasses: tuple[str, ...]


@dataclass(frozen=True)
class Wording:
    """Which phrase each field uses for each item of one kind.

    Attributes:
        source: int (items, fields), the item whose phrases are used. It is another item of the
            same block where the landscape gives the words a meaning of its own.
        pick: int (items, fields), the phrase among those of the source.
    """

    source: npt.NDArray[np.int64]
    pick: npt.NDArray[np.int64]


def wording(items: int, phrases: int, block: int, entry: Simulated, stream: int) -> Wording:
    """Draw the wording of one kind of item.

    A share `cross_field_overlap` of the items has the same words in all fields, the rest
    a phrase drawn for the field. A share `wording_overlap` is drawn alike for every landscape; the
    rest is the landscape's own, and there the phrases of a block change their meaning: each stands
    for another item of the block.

    Args:
        items: number of items, a multiple of `block`.
        phrases: number of phrases of an item; the first is the neutral one.
        block: items that may swap their phrases (1: none).
        entry: the landscape.
        stream: number of the kind, for independent draws.
    """
    blocks, fields = items // block, len(FIELDS)
    common = np.random.default_rng((_COMMON_SEED, stream))
    own = np.random.default_rng((entry.seed, stream, 1))

    def spread(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.repeat(values, block, axis=0)

    neutral = common.random((items, 1)) < entry.cross_field_overlap
    shared = np.where(
        neutral,
        common.random((items, 1)) < entry.wording_overlap,
        common.random((items, fields)) < entry.wording_overlap,
    )
    everywhere = common.integers(1, phrases, (items, fields))
    here = own.integers(1, phrases, (items, fields))
    pick = np.where(neutral, 0, np.where(shared, everywhere, here))
    turn = np.where(
        neutral,
        spread(own.integers(1, max(block, 2), (blocks, 1))),
        spread(own.integers(1, max(block, 2), (blocks, fields))),
    )
    item = np.arange(items)[:, None]
    source = np.where(shared, item, item // block * block + (item + turn) % block)
    return Wording(source, pick)


@dataclass(frozen=True)
class Lexicon:
    """The wording of a landscape, by kind: `core`, `act`, `aim`, `facet`, `common`, `concept`."""

    entry: Simulated
    _resolved: dict[tuple[int, str], str] = field(default_factory=dict, repr=False)

    @cached_property
    def kinds(self) -> dict[str, Wording]:
        """Wording of each kind of item."""
        mechanisms, (facet, *_), common = len(MECHANISMS), OPTIONS, len(COMMON_FACETS[0])
        sizes = {
            "core": (mechanisms, 6, PER_GROUP),
            "act": (mechanisms, 4, PER_GROUP),
            "aim": (mechanisms, 3, PER_GROUP),
            "facet": (len(_CATALOGUE) * len(_CATALOGUE[0].facets) * facet, 3, facet),
            "common": (len(COMMON_FACETS) * common, 3, common),
            "concept": (len(CONCEPTS), 6, 1),
        }
        return {kind: wording(*size, self.entry, stream) for stream, (kind, size) in enumerate(sizes.items())}

    def of_mechanism(self, kind: str, mechanism: int, place: int, rng: random.Random) -> str:
        """Phrase for the `core`, `act` or `aim` of a mechanism as field `place` says it."""
        known = self.kinds[kind]
        _, source = MECHANISMS[known.source[mechanism, place]]
        phrases = {"core": source.cores, "act": source.acts, "aim": source.aims}[kind]
        return self._said(phrases, int(known.pick[mechanism, place]), place, rng)

    def of_detail(self, group: int, facet: int, option: int, place: int, rng: random.Random) -> str:
        """Phrase for an option of a facet (the group's facets first, then the common ones)."""
        own = _CATALOGUE[group].facets
        if facet < len(own):
            known, first, facets, part = self.kinds["facet"], group * len(own), own, facet
        else:
            known, first, facets, part = self.kinds["common"], 0, COMMON_FACETS, facet - len(own)
        size = len(facets[part])
        row = (first + part) * size + option
        phrases = facets[part][int(known.source[row, place]) % size]
        return self._said(phrases, int(known.pick[row, place]), place, rng)

    def _said(self, phrases: tuple[str, ...], pick: int, place: int, rng: random.Random) -> str:
        if rng.random() < _SLIP:
            pick = rng.randrange(len(phrases))
        return self.in_words_of(place, phrases[pick])

    def in_words_of(self, place: int, phrase: str) -> str:
        """The phrase with its concepts called as field `place` calls them."""
        key = (place, phrase)
        if key not in self._resolved:
            self._resolved[key] = _CONCEPT.sub(lambda found: self._concept(found[1], place), phrase)
        return self._resolved[key]

    def _concept(self, name: str, place: int) -> str:
        return CONCEPTS[name][int(self.kinds["concept"].pick[_CONCEPT_ROW[name], place])]


_CONCEPT = re.compile(r"<(\w+)>")
_CONCEPT_ROW = {name: row for row, name in enumerate(CONCEPTS)}


class Voice(dict[str, str]):
    """Fills the slots of a sentence pattern; every slot is drawn when it is met.

    `depth` is the probability that `device`, `gain` and `does` name the mechanism instead of hinting at its group.
    """

    def __init__(self, family: Family, lexicon: Lexicon) -> None:
        super().__init__()
        self.family, self.lexicon = family, lexicon
        # A string seed goes through SHA-512: the same on every platform and version.
        self.rng = random.Random(f"{family.seed[0]}-{family.seed[1]}")
        self.field: Field = FIELDS[family.field]
        self.group_number, _ = MECHANISMS[family.mechanism]
        self.group: Group = _CATALOGUE[self.group_number]
        self.depth = 1.0
        self.details = list(range(len(family.options)))
        self.rng.shuffle(self.details)
        self.renew()

    def renew(self) -> None:
        """Begin a section: settle what things are called in it, and start the details over.

        Sections differ in words, as claims are drafted wider than the abstract: what they have in
        common is the field, its subclasses and the idea.
        """
        pick, chance = self.rng.choice, self.rng.random
        own = [name for code in self.family.subclasses for name in self.field.components[code]]
        every = [name for names in self.field.components.values() for name in names]
        plain = PLAIN.components[""]
        # The part in front is one of the field, mostly of the subclass; beside it stand parts that any field has.
        self.parts = [pick(own if chance() < _TELLING else every)]
        while len(self.parts) < 3:
            part = pick(plain if chance() < _PLAIN_BESIDE else own if chance() < _TELLING else every)
            if part not in self.parts:
                self.parts.append(part)
        self.system = pick(self._plain_or_own().systems)
        self.core = self._mechanism("core")
        self._next = 0

    def __missing__(self, slot: str) -> str:
        pick = self.rng.choice
        match slot:
            case "system":
                return self.system
            case "p" | "q" | "r":
                return self.parts["pqr".index(slot)]
            case "other":
                return pick(pick(list(self._plain_or_own().components.values())))
            case "where":
                return pick(self._plain_or_own().environments)
            case "trouble":
                return pick(self._plain_or_own().troubles)
            case "stuff":
                return pick(self._plain_or_own().materials)
            case "user":
                return pick(self._plain_or_own().users)
            case "prefix":
                return pick(self._plain_or_own().prefixes)
            case "core":
                return self.core
            case "act":
                return self._mechanism("act")
            case "aim":
                return self._mechanism("aim")
            case "device":
                return self.core if self.rng.random() < self.depth else self._vague(self.group.hints)
            case "gain":
                return self._mechanism("aim") if self.rng.random() < self.depth else self._vague(self.group.purposes)
            case "does":
                return self._mechanism("act") if self.rng.random() < self.depth else pick(_VAGUE)
            case "detail":
                return self._detail()
            case "core2" | "act2" | "aim2":
                return self.lexicon.of_mechanism(slot[:-1], self.family.second, self.family.field, self.rng)
            case "old":
                return self.lexicon.of_mechanism(
                    "core", self.rng.randrange(len(MECHANISMS)), self.family.field, self.rng
                )
            case "n":
                return str(self.rng.randrange(2, 95))
            case "m":
                return str(self.rng.randrange(100, 900))
            case "unit":
                return pick(_UNITS)
            case _:
                raise KeyError(slot)

    def say(self, pattern: str) -> str:
        """The pattern with its slots filled and its articles put right."""
        return _ARTICLE.sub(r"\1n ", pattern.format_map(self))

    def sentence(self, patterns: tuple[str, ...]) -> str:
        """One of the patterns as a sentence."""
        text = self.say(self.rng.choice(patterns))
        return text[0].upper() + text[1:] + "."

    def some(self, patterns: tuple[str, ...], number: int) -> list[str]:
        """Several different patterns as sentences."""
        return [self.sentence((pattern,)) for pattern in self.rng.sample(patterns, number)]

    def _plain_or_own(self) -> Field:
        return PLAIN if self.rng.random() < _PLAIN_SHARE else self.field

    def _vague(self, phrases: tuple[str, ...]) -> str:
        return self.lexicon.in_words_of(self.family.field, self.rng.choice(phrases))

    def _mechanism(self, kind: str) -> str:
        return self.lexicon.of_mechanism(kind, self.family.mechanism, self.family.field, self.rng)

    def _detail(self) -> str:
        """The family's details in turn, in an order of its own."""
        facet = self.details[self._next % len(self.details)]
        self._next += 1
        return self.lexicon.of_detail(self.group_number, facet, self.family.options[facet], self.family.field, self.rng)


_ARTICLE = re.compile(r"\b([Aa]) (?=(?!uni|use|one|eu)[aeiou])")
_UNITS = ("mm", "kPa", "degrees Celsius", "seconds", "per cent", "Hz", "grams", "newtons")
_VAGUE = (
    "contributes to the desired effect",
    "does its work during operation",
    "is brought into action as needed",
    "cooperates with the surrounding parts",
    "serves the stated purpose",
    "supports proper operation",
)

TITLES = (
    "{prefix} {device} for a {system}",
    "{system} with {device}",
    "Method and apparatus for {gain} in a {system}",
    "{p} having a {device}",
    "{device} and {p} comprising the same",
    "{system} comprising a {p} and a {device}",
    "Arrangement for {gain}",
    "{device} for use {where}",
    "Improved {p} for a {system}",
    "Method of operating a {p} of a {system}",
    "{gain} at a {p}",
    "{p} assembly and {system} provided therewith",
    "Means against {trouble} in a {system}",
    "Device for {gain} {where}",
)
LEADS = (
    "a {system} comprises a {p}, a {q} and a {device}",
    "disclosed is a {prefix} {device} for a {system} in which a {p} works together with a {q}",
    "the invention relates to a {p} of a {system}, which is fitted with a {device}",
    "to counter {trouble} {where}, a {p} is combined with a {device}",
    "described is a {system} whose {p} is assigned a {device}",
    "provided are a {p} and a method by which a {user} can operate a {system} {where}",
    "in a {system} used {where}, a {device} is interposed between a {p} and a {q}",
    "an apparatus for {gain} has a {p} on which a {device} is arranged",
    "a {device} is allocated to the {p} of a {system}",
    "the present disclosure concerns {gain} in a {system} with a {p}",
)
MIDDLES = (
    "the {device} {does}",
    "here the {device} is coupled to the {q} and {does}",
    "when the {p} is in service, the {device} {does}",
    "according to one aspect, a {device} near the {p} {does}",
    "it is proposed that the {device} {does} while the {q} stays in place",
    "by virtue of its design the {device} {does}",
    "during use {where} the {device} {does}",
    "between the {p} and the {q} there is a {device} which {does}",
)
ENDS = (
    "this allows for {gain} and relieves the {user}",
    "thereby {trouble} is largely avoided",
    "the arrangement helps in {gain}, even {where}",
    "as a result, {trouble} occurs less often and the {q} lasts longer",
    "advantages lie in {gain}",
    "the {user} benefits from {gain}",
    "{trouble} can thus be kept in check at little expense",
    "the solution is suited to {gain} in existing equipment",
)
FILLERS = (
    "the {q} may consist of {stuff}",
    "a {r} is arranged downstream of the {p}",
    "the {p} and the {r} share a common frame",
    "operation {where} is possible without changing the {r}",
    "a retrofit of an existing {system} takes only {n} minutes",
    "the {r} can be removed by the {user}",
    "at least one {r} is made from {stuff}",
    "further provided is a {system} with such a {p}",
    "the {p} is accessible from the front of the {system}",
)
# Claims: the first group of each pattern set names the head that dependents refer to.
FIRST_CLAIMS = (
    ("{system}", "a {system} comprising: a {p}; and a {core} associated with the {p}, wherein the {core} {act}, wherein the {core} {detail}, and wherein the {core} {detail}"),
    ("{system}", "a {system}, comprising a {core} which {act} and which {detail}, the {core} being mounted to a {p}, characterised in that the {core} {detail} and {detail}"),
    ("apparatus", "an apparatus comprising: a {core} that {act}; a {p} cooperating with the {core}; and a {q}, wherein the {core} {detail} and, in use, {detail}"),
    ("{p}", "a {p} for a {system}, provided with a {core}, wherein the {core} {detail}, {detail} and {act}"),
    ("device", "a device for {aim}, the device comprising a {core} on a {p}, the {core} being such that it {act}; it {detail}; and it {detail}"),
    ("assembly", "an assembly of a {p} and a {core}, in which the {core} {act}, characterised in that said {core} {detail}, and that said {core} {detail}"),
    ("{system}", "a {system} having at least one {p} and at least one {core}, wherein the {core} {detail}, wherein the {core} further {detail}, so that the {core} {act}"),
    ("arrangement", "an arrangement with a {core} of the kind that {act}, the {core} being allocated to a {p}, wherein it {detail} and wherein it {detail}"),
)  # fmt: skip
SECOND_CLAIMS = (
    ("method", "a method of operating a {system}, comprising the steps of: providing a {core} at a {p}; allowing the {core} to act such that it {act}; and monitoring the {q}, wherein the {core} {detail}"),
    ("method", "a method for {aim}, comprising: arranging a {core} beside a {p}; running the {system}; and observing that the {core} {act}, wherein the {core} {detail}"),
    ("process", "a process carried out {where}, in which a {core} {act}, the process comprising a step of fitting the {core} to a {p} and a step of checking whether it {detail}"),
    ("kit", "a kit of parts comprising a {core} which {detail}, a {p} and a {q}, the {core} being such that it {act} once fitted to a {system}"),
    ("{q}", "a {q} for use with a {system}, comprising a {core}, wherein the {core} {detail} and {act}"),
)  # fmt: skip
DEPENDENTS = (
    "wherein the {core} {detail}",
    "wherein the {core} is arranged between the {p} and a {r}",
    "wherein the {core} is made at least partly of {stuff}",
    "further comprising a {r} that is connected to the {core}",
    "characterised in that the {core} {act}",
    "in which the {core} additionally {detail}",
    "wherein a distance between the {core} and the {p} is {n} to {m} mm",
    "wherein the {p} is made of {stuff}",
    "further comprising an indicator that informs a {user} of {trouble}",
    "wherein the {core} is adapted for {aim}",
    "wherein said {core} {detail}, preferably {where}",
    "including a {other} that can be removed together with the {core}",
    "wherein the {r} is displaceable relative to the {core} by at least {n} mm",
    "wherein a second {core} is provided on an opposite side of the {p}",
)
COMBINED = (
    "further comprising a {core2} which {act2}",
    "wherein the {core} is combined with a {core2} for {aim2}",
    "comprising in addition a {core2}, wherein the {core2} {act2}",
)
FIELD_SENTENCES = (
    "the invention is in the field of the {system} and its {p}",
    "this disclosure deals with a {p} as used in a {system}",
    "the present application relates in general to a {system}, and more closely to {aim} {where}",
    "what follows concerns equipment such as a {system} with a {p} or a {q}",
)
BACKGROUND = (
    "a {system} that is operated {where} often suffers from {trouble}",
    "it is known to equip the {p} with a {old}, which is costly and takes up room",
    "earlier designs relied on a {old}; they fail as soon as {trouble} sets in",
    "for the {user}, {trouble} means delay and expense",
    "attempts to cure {trouble} by a stronger {q} have not been convincing",
    "a {old} near the {r} has been proposed, but it does not help {where}",
    "up to now the {q} had to be exchanged after about {m} hours",
    "nobody has so far solved {trouble} with simple means",
)
SUMMARY = (
    "it is an object of the invention to provide a way of {aim}",
    "this object is met by a {core} according to claim 1",
    "the inventors found that a {core} beside the {p} {act}",
    "the underlying idea is that a {core} {act}, and this with few parts",
    "by contrast, the {core} proposed here {detail}",
    "surprisingly, {trouble} is absent when the {core} {detail}",
)
BODY = (
    "in the embodiment of figure 1 the {core} 1{n} is fastened to the {p} 2{n} by means of {stuff}",
    "the {core} 1{n} {detail}, as can be seen from figure 2",
    "as soon as the {system} runs {where}, the {core} {act}",
    "the {q} 3{n} stands at a distance of {n} mm from the {core}",
    "in a variant the {core} {detail}, whereas the {p} is left unchanged",
    "tests over {m} hours with a {r} made of {stuff} showed no sign of {trouble}",
    "a {user} can check the {core} through an opening in the {p}",
    "preferably the {core} {detail}; the {r} may then be smaller",
    "figure 3 shows a detail of the {q} together with a {other}",
    "since the {core} {act}, the {q} may be dimensioned for {n} {unit} only",
    "the {other} 4{n} is optional and may be replaced by a {r}",
    "it goes without saying that a {system} may have more than one {core}",
    "owing to this design, {aim} is possible without an additional {other}",
    "a prototype with a {p} of {stuff} was run {where} for {m} cycles",
    "the {core} and the {r} are accommodated in the same {prefix} section",
    "in the rest state the {core} leaves the {p} free, in the working state it {act}",
    "the embodiment of figure 4 differs in that the {core} {detail}",
    "values of {n} to {m} {unit} have proved useful for the {q}",
)
CLOSINGS = (
    "the scope of protection is not bound to the {system} shown",
    "features of the described {p} can be combined as the {user} sees fit",
    "the drawings are schematic, and a {r} may be added without leaving the idea",
    "what has been said for the {p} holds for a {q} as well",
)


def sections(family: Family, lexicon: Lexicon) -> tuple[str, str, str, str]:
    """Title, abstract, claims (one a line) and description of a family.

    The text depends on the family and the lexicon alone, so that families can be written in any order.
    """
    voice = Voice(family, lexicon)
    voice.depth = lexicon.entry.abstract_detail
    title = voice.say(voice.rng.choice(TITLES))
    abstract = _abstract(voice)
    voice.depth = 1.0
    voice.renew()
    claims = _claims(voice)
    voice.renew()
    return title[0].upper() + title[1:], abstract, claims, _description(voice)


def _abstract(voice: Voice) -> str:
    rng = voice.rng
    middle = [*voice.some(MIDDLES, 1), *voice.some(FILLERS, rng.randint(1, 2))]
    if rng.random() < voice.depth:
        middle.append(voice.sentence(("in particular, the {device} {detail}", "it {detail}")))
    rng.shuffle(middle)
    return " ".join([voice.sentence(LEADS), *middle, *voice.some(ENDS, rng.randint(1, 2))])


def _claims(voice: Voice) -> str:
    rng = voice.rng
    claims: list[str] = []
    for patterns, dependents in ((FIRST_CLAIMS, rng.randint(3, 6)), (SECOND_CLAIMS, rng.randint(0, 2))):
        head, pattern = rng.choice(patterns)
        head, first = voice.say(head), len(claims) + 1
        claims.append(voice.sentence((pattern,)))
        tails = rng.sample(DEPENDENTS, dependents)
        if voice.family.second >= 0 and first == 1:
            tails[rng.randrange(2)] = rng.choice(COMBINED)
        for tail in tails:
            latest = len(claims)
            parent = rng.choice((first, latest, rng.randint(first, latest)))
            reference = f"claim {parent}"
            if latest > first + 1 and rng.random() < 0.2:
                reference = f"any one of claims {first} to {latest}"
            opening = rng.choice(
                ("The {head} of {claim}", "The {head} according to {claim}", "The {head} as claimed in {claim}")
            )
            claims.append(f"{opening.format(head=head, claim=reference)}, {voice.say(tail)}.")
    return "\n".join(f"{number}. {claim}" for number, claim in enumerate(claims, 1))


def _description(voice: Voice) -> str:
    rng = voice.rng
    parts = (
        voice.some(FIELD_SENTENCES, 1),
        voice.some(BACKGROUND, rng.randint(2, 4)),
        voice.some(SUMMARY, rng.randint(2, 3)),
        voice.some(BODY, rng.randint(7, 11)),
        voice.some(CLOSINGS, 1),
    )
    return "\n".join(" ".join(part) for part in parts)
