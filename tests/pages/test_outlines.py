"""Pictures in git: the same bytes whatever fonts a machine has, every word where it belongs, nothing to be fetched."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import PIL.ImageFont
import pytest
import vl_convert
from fontTools.ttLib import TTFont

from patent_embeddings.pages import outlines

SVG = "{http://www.w3.org/2000/svg}"
SPEC: dict[str, Any] = {
    "title": {"text": "OUT keeps 24 % of IN", "anchor": "start"},
    "data": {"values": [{"system": "interpolation", "score": 1 / 3}, {"system": "bm25", "score": 0.55}]},
    "mark": {"type": "bar", "color": "currentColor"},
    "encoding": {
        "y": {"field": "system", "type": "nominal", "title": None},
        "x": {"field": "score", "type": "quantitative", "title": "nDCG@10"},
    },
}
FONTS = Path(str(importlib.util.find_spec("matplotlib").origin)).parent / "mpl-data/fonts/ttf"  # type: ignore[union-attr]


def texts(svg: str) -> dict[str, ElementTree.Element]:
    """Groups of letters by the words that they are."""
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")
    return {str(group.findtext(f"{SVG}title")): group for group in groups if group.find(f"{SVG}title") is not None}


def fonts_of(folder: Path, *families: str) -> Path:
    """A machine's font configuration: only these families, each drawn as a font that is none of them."""
    (folder / "fonts").mkdir(parents=True)
    for family in families:
        font = TTFont(FONTS / "DejaVuSerif.ttf")
        for entry in font["name"].names:
            if entry.nameID in (1, 4, 16):
                entry.string = family
        font.save(folder / "fonts" / f"{family}.ttf")
    path = folder / "fonts.conf"
    path.write_text(f'<?xml version="1.0"?><fontconfig><dir>{folder / "fonts"}</dir></fontconfig>', encoding="utf-8")
    return path


DRAWN = """
import sys, json, vl_convert
from patent_embeddings.pages.outlines import svg
spec = json.loads(sys.argv[1])
print(svg(spec), end="\\0")
print(vl_convert.vegalite_to_svg({**spec, "config": {"font": "Liberation Sans"}}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file that says which fonts there are")
def test_bytes_are_the_same_whatever_fonts_there_are(tmp_path: Path) -> None:
    """Here, without any font, and where other fonts go by the known names."""
    known = ("Liberation Sans", "DejaVu Sans", "Arial")
    machines = [fonts_of(tmp_path / "none"), fonts_of(tmp_path / "shadowing", *known)]
    command = [sys.executable, "-c", DRAWN, json.dumps(SPEC)]
    runs = [
        subprocess.Popen(command, env={**os.environ, "FONTCONFIG_FILE": str(fonts)}, stdout=subprocess.PIPE, text=True)
        for fonts in machines
    ]
    here = outlines.svg(SPEC)
    (none, without), (shadowed, within) = (run.communicate()[0].split("\0") for run in runs)
    assert len(here) > 1000
    assert here == none == shadowed
    assert without != within  # what it is about: by itself vl-convert takes the machine's font


def test_every_word_of_the_picture_is_in_it_as_outlines() -> None:
    svg = outlines.svg(SPEC)
    said = set(re.findall(r">([^<>]+)</text>", vl_convert.vegalite_to_svg(SPEC)))
    assert {"OUT keeps 24 % of IN", "interpolation", "nDCG@10"} <= said <= set(texts(svg))
    assert not re.search(r"<text|font-family|currentColor|aria-|Outlined", svg)
    own = {f"#{name}" for name in re.findall(r'id="(.+?)"', svg)}
    assert set(re.findall(r'(?:href|src|url)[=(]"?([^")]+)', svg)) <= own


def test_lines_of_a_text_stand_below_each_other() -> None:
    title = {"text": "above", "subtitle": ["first line", "second line"], "anchor": "start", "subtitleLineHeight": 20}
    found = texts(outlines.svg({**SPEC, "title": title}))
    first, second = (found[words].attrib["transform"] for words in ("first line", "second line"))
    assert first.split("scale")[0] + "translate(0,20)" == second.split("scale")[0]


def test_letters_stand_where_the_font_says() -> None:
    """Advances by FreeType, each letter's by itself: our text knows no kerning."""
    found = texts(outlines.svg(SPEC))
    for words, anchor, name in (("OUT keeps 24 % of IN", 0, "DejaVuSans-Bold"), ("interpolation", 1, "DejaVuSans")):
        font = PIL.ImageFont.truetype(str(FONTS / f"{name}.ttf"), size=2048)
        widths = [font.getlength(letter) for letter in words]
        starts = [sum(widths[:place]) - anchor * sum(widths) for place in range(len(words))]
        drawn = [float(use.attrib["x"]) for use in found[words].findall(f"{SVG}use")]
        wanted = [start for start, letter in zip(starts, words, strict=True) if letter != " "]
        assert drawn == pytest.approx(wanted, abs=1)


def test_it_is_on_white_and_no_number_is_longer_than_it_is_sure() -> None:
    root = ElementTree.fromstring(outlines.svg(SPEC))
    ground = root.find(f"{SVG}rect")
    assert ground is not None and ground.attrib["fill"] == "white"
    assert (ground.attrib["width"], ground.attrib["height"]) == (root.attrib["width"], root.attrib["height"])
    shapes = [part for part in root.iter() if part.tag != f"{SVG}use" and "id" not in part.attrib]
    numbers = [
        number
        for part in shapes
        for name, value in part.attrib.items()
        if name in ("d", "x", "y", "width", "height")
        for number in re.findall(r"\d+\.\d+", value)
    ]
    assert numbers
    assert max(len(number.partition(".")[2]) for number in numbers) <= 2
