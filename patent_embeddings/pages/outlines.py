"""Pictures as SVG with letters as outlines: the same bytes on every machine, whatever fonts it has.

A PNG would not do: vl-convert prefers the machine's fonts to its own, and zlib's bytes depend on the processor.
"""

from __future__ import annotations

import atexit
import importlib.util
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont
from lxml import etree

INK = "#1c2430"  # what `currentColor` is on white
FAMILY = "Outlined Sans"  # no machine has a font of this name
_FILES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}  # of matplotlib, by whether it is bold
_SVG = "{http://www.w3.org/2000/svg}"
_ANCHORS = {"start": 0.0, "middle": 0.5, "end": 1.0}
_LONG = re.compile(r"-?\d+\.\d{3,}(e-?\d+)?")


def svg(spec: dict[str, Any]) -> str:
    """The picture of a Vega-Lite spec on white, which needs no font to be shown."""
    _fonts()
    lone = {**spec, "background": "white", "padding": 12, "config": {**spec.get("config", {}), "font": FAMILY}}
    root = etree.fromstring(vl_convert.vegalite_to_svg(lone).encode())
    for part in root.iter():
        for name, value in part.attrib.items():
            if name in ("class", "role") or name.startswith("aria-"):
                del part.attrib[name]
            else:  # the last digits of a place may be the processor's own
                part.set(name, _LONG.sub(lambda found: f"{round(float(found[0]), 2):g}", value))
    letters: dict[str, str] = {}
    for text in list(root.iter(f"{_SVG}text")):
        down = 0.0
        for line in list(text) or [text]:
            down += float(line.get("dy", 0))
            text.addprevious(_outlined(text, "".join(line.itertext()), down, letters))
        text.getparent().remove(text)
    used = etree.Element(f"{_SVG}defs")
    for name, outline in sorted(letters.items()):
        etree.SubElement(used, f"{_SVG}path", id=name, d=outline)
    root.insert(0, used)
    etree.cleanup_namespaces(root)
    written = etree.tostring(root, encoding="unicode").replace("currentColor", INK)
    return written.replace("><", ">\n<") + "\n"  # a line for each part, so that git stores changes and not the whole


def _outlined(text: Any, words: str, down: float, letters: dict[str, str]) -> Any:
    """A group of outlines in place of a line of text, moved `down`; adds the outlines used to `letters` by id."""
    bold = text.get("font-weight") in ("bold", "700")
    font = _fonts()[bold]
    glyphs, names = font.getGlyphSet(), font.getBestCmap()
    size = float(text.get("font-size").removesuffix("px")) / font["head"].unitsPerEm
    drawn = [names.get(ord(letter), ".notdef") for letter in words]
    place = -_ANCHORS[text.get("text-anchor", "start")] * sum(glyphs[name].width for name in drawn)
    kept = {name: text.get(name) for name in ("fill", "fill-opacity", "opacity") if text.get(name)}
    moved = f"{text.get('transform', '')}{f'translate(0,{down:g})' if down else ''}"
    group = etree.Element(f"{_SVG}g", kept, transform=f"{moved}scale({size:.6g},{-size:.6g})")
    etree.SubElement(group, f"{_SVG}title").text = words
    for name in drawn:
        own = f"{'bold' if bold else 'plain'}-{name.replace('.', '')}"
        if own not in letters:
            pen = SVGPathPen(glyphs)
            glyphs[name].draw(pen)
            letters[own] = pen.getCommands()
        if letters[own]:  # a blank has none
            etree.SubElement(group, f"{_SVG}use", href=f"#{own}", x=f"{place:.0f}")
        place += glyphs[name].width
    return group


@cache
def _fonts() -> dict[bool, TTFont]:
    """Plain and bold; vl-convert measures with copies of them, since of a known name it takes the machine's font."""
    found = importlib.util.find_spec("matplotlib")
    assert found and found.origin
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    copies = tempfile.TemporaryDirectory()
    atexit.register(copies.cleanup)  # vl-convert reads them later
    for name in _FILES.values():
        copy = TTFont(folder / name)
        for entry in copy["name"].names:
            if entry.nameID in (1, 4, 16):  # family, full name, typographic family
                entry.string = FAMILY
        copy.save(Path(copies.name) / name)
    vl_convert.register_font_directory(copies.name)
    return {bold: TTFont(folder / name) for bold, name in _FILES.items()}
