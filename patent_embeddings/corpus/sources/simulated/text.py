"""Generate the text of a simulated family."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from patent_embeddings.corpus.sources.simulated.lexicon import Lexicon
from patent_embeddings.corpus.sources.simulated.words import CATALOGUE, FIELDS, MECHANISMS, PLAIN, SENTENCES, Field

_PLAIN_SHARE = 0.6  # how often a part, place or trouble is one of any field
_PLAIN_BESIDE = 0.7  # the same for parts other than the main one
_TELLING = 0.9  # how often a part of the field belongs to one of the family's subclasses
# An `a` that should be `an`; the letter comes first, which makes the search fast.
_ARTICLE = re.compile(r"([Aa])(?<=\b[Aa]) (?=(?!uni|use|one|eu)[aeiou])")
_OF_FIELD = {
    "where": "environments",
    "trouble": "troubles",
    "stuff": "materials",
    "user": "users",
    "prefix": "prefixes",
}


@dataclass(frozen=True)
class Family:
    """The subject of a family. `options` is one option of each facet, those of the group first."""

    seed: tuple[int, int]
    field: int
    mechanism: int
    options: tuple[int, ...]
    second: int  # a further mechanism, of another group, or -1
    subclasses: tuple[str, ...]


class Voice(dict[str, str]):
    """Fills the slots of a sentence pattern; each slot is drawn when it is reached.

    `depth` is the probability that `device`, `gain` and `does` name the mechanism instead of hinting at its group.
    """

    def __init__(self, family: Family, lexicon: Lexicon) -> None:
        super().__init__()
        self.family, self.lexicon = family, lexicon
        # A string seed goes through SHA-512: the same on every platform and version.
        self.rng = random.Random(f"{family.seed[0]}-{family.seed[1]}")
        self.field = FIELDS[family.field]
        self.group_number, _ = MECHANISMS[family.mechanism]
        self.group = CATALOGUE[self.group_number]
        self.depth = 1.0
        self.details = list(range(len(family.options)))
        self.rng.shuffle(self.details)
        self.renew()

    def renew(self) -> None:
        """Begin a section: choose its wording, and start again with the details.

        Sections differ in wording, as claims are drafted more broadly than the abstract. They share the field, its
        subclasses and the idea.
        """
        pick, chance = self.rng.choice, self.rng.random
        own = [name for code in self.family.subclasses for name in self.field.components[code]]
        every = [name for names in self.field.components.values() for name in names]
        plain = PLAIN.components[""]
        # The main part is of the field, mostly of a subclass of the family; the others may be of any field.
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
            case "where" | "trouble" | "stuff" | "user" | "prefix":
                return pick(getattr(self._plain_or_own(), _OF_FIELD[slot]))
            case "core":
                return self.core
            case "act" | "aim":
                return self._mechanism(slot)
            case "device":
                return self.core if self.rng.random() < self.depth else self._vague(self.group.hints)
            case "gain":
                return self._mechanism("aim") if self.rng.random() < self.depth else self._vague(self.group.purposes)
            case "does":
                return self._mechanism("act") if self.rng.random() < self.depth else pick(SENTENCES.vague)
            case "detail":
                facet = self.details[self._next % len(self.details)]
                self._next += 1
                option, place = self.family.options[facet], self.family.field
                return self.lexicon.of_detail(self.group_number, facet, option, place, self.rng)
            case "core2" | "act2" | "aim2":
                return self.lexicon.of_mechanism(slot[:-1], self.family.second, self.family.field, self.rng)
            case "old":
                other = self.rng.randrange(len(MECHANISMS))
                return self.lexicon.of_mechanism("core", other, self.family.field, self.rng)
            case "n":
                return str(self.rng.randrange(2, 95))
            case "m":
                return str(self.rng.randrange(100, 900))
            case "unit":
                return pick(SENTENCES.units)
            case _:
                raise KeyError(slot)

    def say(self, pattern: str) -> str:
        """The pattern with its slots filled and its articles corrected."""
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


def sections(family: Family, lexicon: Lexicon) -> tuple[str, str, str, str]:
    """Title, abstract, claims (one per line) and description of a family.

    The text depends only on the family and the lexicon, so that families can be generated in any order.
    """
    voice = Voice(family, lexicon)
    voice.depth = lexicon.entry.abstract_detail
    title = voice.say(voice.rng.choice(SENTENCES.titles))
    abstract = _abstract(voice)
    voice.depth = 1.0
    voice.renew()
    claims = _claims(voice)
    voice.renew()
    return title[0].upper() + title[1:], abstract, claims, _description(voice)


def _abstract(voice: Voice) -> str:
    rng = voice.rng
    middle = [*voice.some(SENTENCES.middles, 1), *voice.some(SENTENCES.fillers, rng.randint(1, 2))]
    if rng.random() < voice.depth:
        middle.append(voice.sentence(SENTENCES.details))
    rng.shuffle(middle)
    return " ".join([voice.sentence(SENTENCES.leads), *middle, *voice.some(SENTENCES.ends, rng.randint(1, 2))])


def _claims(voice: Voice) -> str:
    rng = voice.rng
    claims: list[str] = []
    numbers = rng.randint(3, 6), rng.randint(0, 2)
    for patterns, dependents in zip((SENTENCES.first_claims, SENTENCES.second_claims), numbers, strict=True):
        claim = rng.choice(patterns)
        head, first = voice.say(claim.head), len(claims) + 1
        claims.append(voice.sentence((claim.text,)))
        tails = rng.sample(SENTENCES.dependents, dependents)
        if voice.family.second >= 0 and first == 1:
            tails[rng.randrange(2)] = rng.choice(SENTENCES.combined)
        for tail in tails:
            latest = len(claims)
            parent = rng.choice((first, latest, rng.randint(first, latest)))
            reference = f"claim {parent}"
            if latest > first + 1 and rng.random() < 0.2:
                reference = f"any one of claims {first} to {latest}"
            opening = rng.choice(SENTENCES.references)
            claims.append(f"{opening.format(head=head, claim=reference)}, {voice.say(tail)}.")
    return "\n".join(f"{number}. {claim}" for number, claim in enumerate(claims, 1))


def _description(voice: Voice) -> str:
    rng = voice.rng
    parts = (
        voice.some(SENTENCES.fields, 1),
        voice.some(SENTENCES.background, rng.randint(2, 4)),
        voice.some(SENTENCES.summary, rng.randint(2, 3)),
        voice.some(SENTENCES.body, rng.randint(7, 11)),
        voice.some(SENTENCES.closings, 1),
    )
    return "\n".join(" ".join(part) for part in parts)
