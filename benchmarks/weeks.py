"""A simulated week of USPTO full text, with the elements and the bytes a document of a real one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

SEED = 1
BYTES = 98_000  # of a document, on average
_SHARES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # lengths relative to that, equally frequent
_DESIGNS = 12  # one of so many is a design patent, with hardly any text
_VOWELS, _CONSONANTS = "aeiou", "bcdfglmnprstvz"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {root} SYSTEM "us-patent-grant-v45-2014-04-03.dtd" [ ]>\n'


def write(documents: int, file: str) -> dict[str, float]:
    """Write a week of so many documents; returns its size in bytes."""
    with Path(file).open("w", encoding="utf-8") as handle:
        for text in week(documents):
            handle.write(text)
    return {"bytes": Path(file).stat().st_size}


def week(documents: int) -> Iterator[str]:
    """Documents of a weekly file, each with its XML declaration; every hundredth is followed by a sequence listing."""
    rng = random.Random(SEED)
    syllables = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(20_000)]
    paragraphs: list[str] = []
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=folder, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {
        "text": lambda count: " ".join(rng.choices(words, k=count)),
        "sequence": lambda: " ".join("".join(rng.choices("acgt", k=10)) for _ in range(6)),
        "draw": rng.randint, "choose": rng.choice, "drawn": lambda: rng.choice(paragraphs),
    }  # fmt: skip
    made: Any = environment.get_template("week.xml.j2").module
    paragraphs += [made.paragraph() for _ in range(2_000)]
    blocks = [made.block(kind % 4) for kind in range(300)]
    for number in range(documents):
        design = number % _DESIGNS == _DESIGNS - 1
        doc, kind = (f"D{700_000 + number:07d}", "S1") if design else (f"{8_000_000 + number:08d}", "B2")
        parts = [made.head(number, doc, kind, 1 if design else rng.randint(5, 80))]
        # The mean over documents is that of real ones: designs have less, the others more.
        size = 0 if design else rng.choice(_SHARES) * BYTES * _DESIGNS / (_DESIGNS - 1)
        used, place = len(parts[0]), 1
        while used < size:
            parts.append(rng.choice(blocks) if place % 12 == 0 else made.numbered(place))
            used, place = used + len(parts[-1]), place + 1
        yield _HEAD.format(root="us-patent-grant") + "".join([*parts, made.tail(1 if design else 19)])
        if number % 100 == 99:  # its end shares a line with the next declaration
            yield _HEAD.format(root="sequence-cwu") + made.listing(number)
