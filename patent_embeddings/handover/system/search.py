"""Ranks the families of this folder for a text: `python search.py "a valve that ..." [-k 10] [--system dense]`."""

import argparse
import os
from json import loads
from pathlib import Path

import faiss
import numpy as np
import pyserini
from sentence_transformers import CrossEncoder, SentenceTransformer


class System:
    """The folder, opened once for text after text; settings.json says how it ranks, README.md what lies here."""

    def __init__(self, home=Path(__file__).parent):
        self.settings, self.families = (loads(Path(home, x).read_text()) for x in ("settings.json", "families.json"))
        self.model = SentenceTransformer(f"{home}/model")
        self.reranker = CrossEncoder(f"{home}/reranker") if self.settings["rerank"] else None
        self.vectors, self.arrays = faiss.read_index(f"{home}/vectors.faiss"), np.load(f"{home}/arrays.npz")
        os.environ["CLASSPATH"] = str(next(Path(pyserini.__file__).parent.rglob("anserini-*-fatjar.jar")))
        from jnius import autoclass  # it starts Java, 21 or newer, which is where JAVA_HOME says

        autoclass("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(1 << 20)  # patents are long questions
        self.lucene = autoclass("io.anserini.search.SimpleSearcher")(f"{home}/lucene")
        self.lucene.set_bm25(self.settings["bm25"]["k1"], self.settings["bm25"]["b"])
        self.lucene.backwardsCompatibilityLucene8 = True  # else it rounds scores, and tells equal ones apart

    def rank(self, text, own=None, system=None, k=10):
        """The k best families for a text, which is that of the family whose id is `own`, or of none of them."""
        system, scores = system or self.settings["system"], {}
        if system == "bm25":
            scores = {hit.docid: hit.score for hit in self.lucene.search(text, self.settings["hits"])}
        elif system == "dense":  # a family's score is the mean of its best passages, or that of its only vector
            query = self.model.encode_query([text], normalize_embeddings=True) - self.arrays["mean"]
            near = self.vectors.search(query, self.settings["vectors"])[1][0]
            exact = self.vectors.reconstruct_batch(near) @ (query[0] / np.linalg.norm(query)).astype(float)
            for score, row in sorted(zip(exact, near, strict=True)):
                scores.setdefault(self.arrays["family"][row], []).append(score)
            scores = {family: np.mean(found[-self.settings["passages"] :]) for family, found in scores.items()}
        elif system == "reranked":
            for hit in self.rank(text, own, **self.settings["rerank"]):
                scores[hit["family_id"]] = self.reranker.predict((text, hit["text"]))
        else:
            for leg, value in self.settings["fusion"][system].items():  # the constant of rrf, or the weight of the leg
                for hit in (hits := self.rank(text, own, leg, self.settings["depth"][leg])):
                    share = np.interp(hit["score"], [hits[-1]["score"], hits[0]["score"]], [0, 1])
                    gain = 1 / (value + hit["rank"]) if system == "rrf" else value * share
                    scores[hit["family_id"]] = scores.get(hit["family_id"], 0) + gain
        best = sorted((-np.float32(score), family) for family, score in scores.items() if family != own)[:k]
        return [{"rank": n, "score": -float(score), **self.families[name]} for n, (score, name) in enumerate(best, 1)]


if __name__ == "__main__":
    (parser := argparse.ArgumentParser(description=__doc__)).add_argument("-k", type=int, default=10)
    parser.add_argument("text", type=lambda text: text if text.strip() else parser.error("the text is empty"))
    parser.add_argument("--system", choices=loads(Path(__file__).with_name("settings.json").read_text())["systems"])
    for hit in (asked := parser.parse_args()) and System().rank(**vars(asked)):  # read before the model is loaded
        print(f"{hit['rank']:4} {hit['score']:9.4f} {hit['publication'] or hit['family_id']:20} {hit['title']}")
