"""Colours can be read and told apart: by everyone, in both schemes. Measured here from the definitions of both."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from patent_embeddings.evaluation.systems import SYSTEMS
from patent_embeddings.pages import colours

CSS = (Path(colours.__file__).parent / "templates/page.css").read_text(encoding="utf-8")
# Simulation of colour blindness in linear RGB, severity 1: Machado, Oliveira and Fernandes (2009), table 1.
SEEN = {
    "everyone": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
TOLD_APART = 15.0  # distance in CIELAB; about 2.3 is the least that is noticed side by side


def variables(scheme: str) -> dict[str, str]:
    """Colours of the style sheet by name, as a scheme has them."""
    light, dark = re.findall(r":root \{(.*?)\}", CSS, flags=re.S)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark if scheme == "dark" else light))


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return high / low


def lab(colour: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB under D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.maximum(to_xyz @ np.clip(colour, 0, 1) / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: str, other: str, seen: str) -> float:
    return float(np.linalg.norm(lab(SEEN[seen] @ linear(one)) - lab(SEEN[seen] @ linear(other))))


def on(scheme: str, colour: str) -> str:
    """A colour of a picture on a page: the ink follows the scheme."""
    return variables(scheme)["ink"] if colour == colours.INK else colour


def test_measures_are_those_of_their_definitions() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the example of the WCAG's own texts
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.02)
    assert distance("#ff0000", "#00a000", "everyone") > 3 * distance("#ff0000", "#00a000", "deuteranopia") / 2
    assert distance("#b0502f", "#7a7a1a", "deuteranopia") < TOLD_APART < distance("#b0502f", "#7a7a1a", "everyone")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_a_contrast_of_four_and_a_half(scheme: str) -> None:
    named = variables(scheme)
    for ground in ("paper", "tint"):
        for text in ("ink", "soft", "accent", "hit-in", "hit-out"):
            assert contrast(named[text], named[ground]) >= 4.5, (text, ground)
    assert contrast(named["warn"], named["warn-paper"]) >= 4.5
    assert contrast(named["edge"], named["paper"]) >= 3  # of what can be pressed or filled in


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_have_a_contrast_of_three(scheme: str) -> None:
    paper = variables(scheme)["paper"]
    for colour in {*colours.PALETTE, *colours.COLOURS.values(), *colours.CURVES.values()}:
        assert contrast(on(scheme, colour), paper) >= 3, colour


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_systems_of_one_task_are_told_apart(scheme: str, seen: str) -> None:
    for task in ("retrieval", "classification", "clustering"):
        names = [one.name for one in SYSTEMS if one.task == task and one.role != "oracle"]
        for one, other in itertools.combinations(names, 2):
            pair = (on(scheme, colours.COLOURS[one]), on(scheme, colours.COLOURS[other]))
            assert distance(*pair, seen) >= TOLD_APART, (one, other)


@pytest.mark.parametrize("seen", SEEN)
def test_series_of_the_grid_and_both_curves_are_told_apart(seen: str) -> None:
    for scheme in ("light", "dark"):
        for one, other in itertools.combinations([on(scheme, colour) for colour in colours.PALETTE], 2):
            assert distance(one, other, seen) >= TOLD_APART, (scheme, one, other)
    assert distance(*colours.CURVES.values(), seen) >= TOLD_APART


@pytest.mark.parametrize("seen", SEEN)
def test_worse_and_better_are_told_apart_and_words_on_them_are_read(seen: str) -> None:
    worse, same, better = colours.CHANGE
    for pair in itertools.combinations((worse, same, better), 2):
        assert distance(*pair, seen) >= 2 * TOLD_APART, pair
    for ground in colours.CHANGE:
        assert contrast(colours.ON_CHANGE, ground) >= 4.5
