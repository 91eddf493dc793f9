"""Tables of the ids beside vectors: columns and rules."""

from __future__ import annotations

from patent_embeddings.core.tables import Table

ROWS = Table({"family_id": "text"}, key=("family_id",), filled=("family_id",))
QUERY_ROWS = Table({"query_id": "text"}, key=("query_id",), filled=("query_id",))
TOKEN_ROWS = Table({"family_id": "text", "offset": "int"}, key=("family_id",), filled=("family_id",))
TOKEN_QUERY_ROWS = Table({"query_id": "text", "offset": "int"}, key=("query_id",), filled=("query_id",))
