"""READMEs of exported folders, from the Markdown templates beside this module."""

from __future__ import annotations

from typing import Any

import jinja2
import yaml

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("patent_embeddings.handover", "."),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def card(template: str, front: dict[str, Any] | None = None, **context: Any) -> str:
    """A template's text; `front` is what the hub reads in its first lines, in order."""
    head = yaml.safe_dump(front, sort_keys=False, width=1000).strip() if front else ""
    return _TEMPLATES.get_template(f"{template}.md.j2").render(front=head, **context)
