"""A simulated week of USPTO full text, with the elements and the bytes a document of a real one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

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
    maker = _Maker(random.Random(SEED))
    for number in range(documents):
        yield _HEAD.format(root="us-patent-grant") + maker.document(number)
        if number % 100 == 99:  # its end shares a line with the next declaration
            listing = "".join(f"<s400>{maker.sequence()}</s400>\n" for _ in range(50))
            yield _HEAD.format(root="sequence-cwu") + f"<sequence-cwu id='S{number}'>\n{listing}</sequence-cwu>"


class _Maker:
    """Paragraphs of invented words, drawn again for every document."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        syllables = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
        self.words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(20_000)]
        self.paragraphs = [self._paragraph() for _ in range(2_000)]
        self.blocks = [self._block(kind) for kind in range(300)]

    def document(self, number: int) -> str:
        design = number % _DESIGNS == _DESIGNS - 1
        doc = f"D{700_000 + number:07d}" if design else f"{8_000_000 + number:08d}"
        kind = "S1" if design else "B2"
        cited = "".join(map(self._citation, range(1 if design else self.rng.randint(5, 80))))
        body = [self._bibliography(doc, kind, number, cited), f'<abstract id="abstract">\n{self._p(0)}</abstract>\n']
        body.append('<description id="description">\n<?BRFSUM description="Brief Summary" end="lead"?>\n')
        # The mean over documents is that of real ones: designs have less, the others more.
        size = 0 if design else self.rng.choice(_SHARES) * BYTES * _DESIGNS / (_DESIGNS - 1)
        used, place = sum(map(len, body)), 1
        while used < size:
            part = self.rng.choice(self.blocks) if place % 12 == 0 else self._p(place)
            body.append(part)
            used, place = used + len(part), place + 1
        body.append('<?BRFSUM description="Brief Summary" end="tail"?>\n</description>\n<claims id="claims">\n')
        body += map(self._claim, range(1, 2 if design else 20))
        return (
            f'<us-patent-grant lang="EN" dtd-version="v4.5 2014-04-03" file="US{doc}-20150106.XML" status="PRODUCTION" '
            f'id="us-patent-grant" country="US" date-produced="20141220" date-publ="20150106">\n{"".join(body)}'
            "</claims>\n</us-patent-grant>\n"
        )

    def sequence(self) -> str:
        return " ".join("".join(self.rng.choices("acgt", k=10)) for _ in range(6))

    def _text(self, words: int) -> str:
        return " ".join(self.rng.choices(self.words, k=words))

    def _paragraph(self) -> str:
        marks = (
            '<figref idref="DRAWINGS">FIG. 1</figref>',
            "CO<sub>2</sub>",
            "<i>in situ</i>",
            "&#x201c;soft&#x201d;",
            "10<sup>&#x2212;3</sup>",
            "<b>12</b>",
        )
        parts = (
            f"{self._text(self.rng.randint(8, 25))} {self.rng.choice(marks)}" for _ in range(self.rng.randint(2, 9))
        )
        return ", ".join(parts) + "."

    def _block(self, kind: int) -> str:
        """A table, a formula, a chemical structure or a sequence within a paragraph."""
        if kind % 4 == 0:
            rows = ["".join(f"<entry>{self._text(2)}</entry>\n" for _ in range(5)) for _ in range(12)]
            cells = "".join(f"<row>\n{row}</row>\n" for row in rows)
            inner = (
                '<tables id="TABLE-US-00001" num="00001">\n<table frame="none" colsep="0" rowsep="0">\n<tgroup '
                'align="left" colsep="0" rowsep="0" cols="5">\n<colspec colname="1" colwidth="42pt" align="left"/>\n'
                f'<tbody valign="top">\n{cells}</tbody>\n</tgroup>\n</table>\n</tables>'
            )
        elif kind % 4 == 1:
            terms = "".join(
                f"<mrow><msub><mi>{self._text(1)}</mi><mn>{term}</mn></msub><mo>+</mo></mrow>" for term in range(20)
            )
            inner = f'<maths id="MATH-US-00001" num="00001"><math overflow="scroll">{terms}</math></maths>'
        elif kind % 4 == 2:
            inner = '<chemistry id="CHEM-US-00001" num="00001"><img id="EMI-C00001" he="9mm" wi="9mm"/></chemistry>'
        else:
            inner = "<br/>\n".join(self.sequence() for _ in range(40))
        return f'<p id="p-0000" num="0000">{self._text(5)}\n{inner}</p>\n'

    def _p(self, place: int) -> str:
        heading = (
            f'<heading id="h-{place:04d}" level="1">{self._text(3).upper()}</heading>\n' if place % 20 == 1 else ""
        )
        return f'{heading}<p id="p-{place:04d}" num="{place:04d}">{self.rng.choice(self.paragraphs)}</p>\n'

    def _claim(self, number: int) -> str:
        parts = "\n".join(f"<claim-text>{self._text(15)};</claim-text>" for _ in range(3))
        refers = f'The thing of <claim-ref idref="CLM-00001">claim 1</claim-ref>, {self._text(20)}.'
        said = f"{number}. A thing comprising:\n{parts}\n" if number in (1, 12) else f"{number}. {refers}"
        return f'<claim id="CLM-{number:05d}" num="{number:05d}">\n<claim-text>{said}</claim-text>\n</claim>\n'

    def _citation(self, number: int) -> str:
        by = "examiner" if number % 3 else "applicant"
        inner = (
            f"<nplcit num='{number:05d}'>\n<othercit>{self._text(15)}</othercit>\n</nplcit>"
            if number % 5 == 4
            else f'<patcit num="{number:05d}">\n<document-id>\n<country>US</country>\n<doc-number>'
            f"{self.rng.randint(4_000_000, 8_006_500)}</doc-number>\n<kind>B2</kind>\n<name>{self._text(1)}</name>\n"
            "<date>20040400</date>\n</document-id>\n</patcit>"
        )
        return f"<us-citation>\n{inner}\n<category>cited by {by}</category>\n</us-citation>\n"

    def _code(self, kind: str) -> str:
        return (
            f"<classification-{kind}>\n<section>{self.rng.choice('ABCDEFGH')}</section>\n<class>01</class>\n"
            f"<subclass>B</subclass>\n<main-group>{self.rng.randint(1, 60)}</main-group>\n<subgroup>00</subgroup>\n"
            "<symbol-position>L</symbol-position>\n<classification-value>I</classification-value>\n"
            "<action-date><date>20150106</date></action-date>\n<generating-office><country>US</country>"
            f"</generating-office>\n</classification-{kind}>\n"
        )

    def _bibliography(self, doc: str, kind: str, number: int, cited: str) -> str:
        ipc, cpc = ("".join(self._code(name) for _ in range(5)) for name in ("ipcr", "cpc"))
        people = "".join(
            f'<inventor sequence="{place:03d}" designation="us-only">\n<addressbook>\n<last-name>{self._text(1)}'
            f"</last-name>\n<first-name>{self._text(1)}</first-name>\n<address>\n<city>{self._text(1)}</city>\n"
            "<country>US</country>\n</address>\n</addressbook>\n</inventor>\n"
            for place in range(4)
        )
        return (
            "<us-bibliographic-data-grant>\n<publication-reference>\n<document-id>\n<country>US</country>\n<doc-number>"
            f"{doc}</doc-number>\n<kind>{kind}</kind>\n<date>20150106</date>\n</document-id>\n</publication-reference>\n"
            '<application-reference appl-type="utility">\n<document-id>\n<country>US</country>\n<doc-number>'
            f"{12_000_000 + number}</doc-number>\n<date>20100813</date>\n</document-id>\n</application-reference>\n"
            f"<us-application-series-code>12</us-application-series-code>\n<classifications-ipcr>\n{ipc}"
            f"</classifications-ipcr>\n<classifications-cpc>\n<further-cpc>\n{cpc}</further-cpc>\n"
            f'</classifications-cpc>\n<invention-title id="d2e53">{self._text(8)}</invention-title>\n'
            f"<us-references-cited>\n{cited}</us-references-cited>\n<us-parties>\n<inventors>\n{people}</inventors>\n"
            "</us-parties>\n<assignees>\n<assignee>\n<addressbook>\n"
            f"<orgname>{self._text(2)} Inc</orgname>\n</addressbook>\n</assignee>\n</assignees>\n"
            "</us-bibliographic-data-grant>\n"
        )
