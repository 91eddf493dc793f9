"""What a reader of a format yields: one record of the source, as it says it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, init=False)
class Text:
    """A text in one language, held as UTF-8: as text it takes twice the room once a sign is beyond Latin-1."""

    held: bytes
    language: str  # as ISO 639-1 says it; "" where the source does not
    truncated: bool  # the source says that it gives a part only

    def __init__(self, text: str, language: str = "", truncated: bool = False) -> None:
        self.held, self.language, self.truncated = text.encode(errors="surrogatepass"), language, truncated

    @property
    def text(self) -> str:
        """The text."""
        return self.held.decode(errors="surrogatepass")


def texts(text: str, language: str = "") -> list[Text]:
    """The text of a section, in one language; none where it is empty."""
    return [Text(text, language)] if text else []


@dataclass(slots=True)
class Citation:
    """A publication that a record cites."""

    number: str  # as the source spells it, with its country where it says one: `US-2013099542-A1`, `WO 99/60605`
    category: str = ""  # what the source says: X, SEA, `cited by examiner`; several joined by a blank


@dataclass(slots=True)
class Publication:
    """One record of a source: a publication, or several that the source puts in one row.

    Texts are whole and unfolded, "" and empty lists where the source has nothing or spells absence; codes as the source
    writes them, one an entry; dates ISO or "".
    """

    place: str  # where it stands, for messages: `row 3`, `document 17`
    numbers: list[str]  # its publications as the source spells them with country and kind; its texts are of the first
    dates: list[str] = field(default_factory=list)  # every publication date that is known of it, of `also` too
    key: str = ""  # what its source calls the record where members are named by that (a Lens ID)
    family: str = ""  # the source's family id; "" where it has none
    members: list[str] = field(default_factory=list)  # keys or numbers of its simple family, its own may be among them
    priorities: list[str] = field(default_factory=list)  # numbers of its priorities as the source spells them
    application: str = ""  # number of its own application, spelled as `priorities` are
    also: list[str] = field(default_factory=list)  # numbers of its application published at another time, not read here
    priority: str = ""  # earliest priority date
    title: list[Text] = field(default_factory=list)
    abstract: list[Text] = field(default_factory=list)
    claims: list[Text] = field(default_factory=list)
    description: list[Text] = field(default_factory=list)
    ipc: list[str] = field(default_factory=list)
    cpc: list[str] = field(default_factory=list)
    jurisdiction: str = ""  # country of publication; "" where its number begins with it
    url: str = ""
    applicants: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    cites: list[Citation] = field(default_factory=list)
    literature: int = 0  # citations that are no patents
    told: int = 0  # of rows that are alike but for what is only counted: what tells them apart
    applications: list[str] = field(default_factory=list)  # cited by the number of an application only
