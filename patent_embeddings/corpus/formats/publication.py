"""A publication as a source records it: what the reader of a format yields."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, init=False)
class Text:
    """A text in one language, held as UTF-8: a str takes two bytes a character once one is beyond Latin-1."""

    held: bytes
    language: str  # ISO 639-1; "" where the source does not say it
    truncated: bool  # the source says that it is incomplete

    def __init__(self, text: str, language: str = "", truncated: bool = False) -> None:
        self.held, self.language, self.truncated = text.encode(errors="surrogatepass"), language, truncated

    @property
    def text(self) -> str:
        """The text."""
        return self.held.decode(errors="surrogatepass")


def texts(text: str, language: str = "") -> list[Text]:
    """A list of one Text; empty where the text is."""
    return [Text(text, language)] if text else []


@dataclass(slots=True)
class Citation:
    """A publication that a record cites."""

    number: str  # as the source spells it, with its country where it says one: `US-2013099542-A1`, `WO 99/60605`
    category: str = ""  # as the source says it: X, SEA, `cited by examiner`; several joined by a blank


@dataclass(slots=True)
class Publication:
    """One record of a source: a publication, or several of one family in one row.

    Fields are "" or empty where the source has no value. Texts and codes are as the source writes them; dates are ISO.
    """

    place: str  # its place in the file, for messages: `row 3`, `document 17`
    numbers: list[str]  # publication numbers with country and kind, as the source spells them; texts are of the first
    dates: list[str] = field(default_factory=list)  # publication dates, those of `also` included
    key: str = ""  # the id of the record in its source, if `members` may name it (a Lens ID)
    family: str = ""  # family id of the source
    members: list[str] = field(default_factory=list)  # keys or numbers of its simple family, perhaps with its own
    priorities: list[str] = field(default_factory=list)  # priority numbers, as the source spells them
    application: str = ""  # application number, spelled like `priorities`
    also: list[str] = field(default_factory=list)  # other publication numbers of its application, not read here
    priority: str = ""  # earliest priority date
    title: list[Text] = field(default_factory=list)
    abstract: list[Text] = field(default_factory=list)
    claims: list[Text] = field(default_factory=list)
    description: list[Text] = field(default_factory=list)
    ipc: list[str] = field(default_factory=list)
    cpc: list[str] = field(default_factory=list)
    jurisdiction: str = ""  # country of publication; "" where the number begins with it
    url: str = ""
    applicants: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    cites: list[Citation] = field(default_factory=list)
    literature: int = 0  # number of cited documents that are not patents
    literature_hash: int = 0  # of their texts: tells rows apart that differ in nothing else
    applications: list[str] = field(default_factory=list)  # cited applications without a publication number
