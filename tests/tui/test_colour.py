"""Colours that can be read, and told apart by eyes that see fewer of them, in truecolor and in 256 colours."""

from __future__ import annotations

import itertools

import pytest
from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet

from tui import theme

THEMES = {"dark": {**theme.DARK, **theme.DARK_VARIABLES}, "light": {**theme.LIGHT, **theme.LIGHT_VARIABLES}}
UNDER = ("background", "surface", "panel", "cursor-line")
TEXT = ("foreground", "head", "dim", "primary", "success", "warning", "error", "accent")
BLOCKS = ("primary", "success", "warning", "error")

# How people without one kind of cone see a colour: Machado, Oliveira and Fernandes (2009), severity 1, linear RGB.
EYES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "all": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}


def shown(colour: str, depth: str) -> ColorTriplet:
    """What a terminal of DEPTH makes of COLOUR."""
    parsed = Color.parse(colour)
    if depth == "256":
        parsed = parsed.downgrade(ColorSystem.EIGHT_BIT)
    return parsed.get_truecolor()


def linear(colour: ColorTriplet) -> list[float]:
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]


def contrast(one: ColorTriplet, other: ColorTriplet) -> float:
    """WCAG 2's contrast ratio, from 1 to 21."""
    light, dark = sorted(
        (sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: list[float]) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of linear RGB."""
    r, g, b = (min(max(part, 0.0), 1.0) for part in rgb)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def apart(one: ColorTriplet, other: ColorTriplet, eye: str) -> float:
    """How far two colours are from each other for EYE: CIE76; 2.3 is just noticeable."""
    seen = [lab([sum(w * p for w, p in zip(row, linear(c), strict=True)) for row in EYES[eye]]) for c in (one, other)]
    return sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5


@pytest.mark.parametrize("depth", ["truecolor", "256"])
@pytest.mark.parametrize("name", THEMES)
def test_every_text_can_be_read_on_whatever_it_stands(name: str, depth: str) -> None:
    palette = THEMES[name]
    weak = {
        f"{text} on {under}": round(ratio, 2)
        for text, under in itertools.product(TEXT, UNDER)
        if (ratio := contrast(shown(palette[text], depth), shown(palette[under], depth))) < 4.5
    }
    weak |= {
        f"on-block on {block}": round(ratio, 2)
        for block in BLOCKS
        if (ratio := contrast(shown(palette["on-block"], depth), shown(palette[block], depth))) < 4.5
    }
    # What cannot be pressed is greyed, and still has to be found.
    weak |= {
        f"off on {under}": round(ratio, 2)
        for under in UNDER[:3]
        if (ratio := contrast(shown(palette["off"], depth), shown(palette[under], depth))) < 2.5
    }
    assert weak == {}


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("depth", ["truecolor", "256"])
@pytest.mark.parametrize("name", THEMES)
def test_good_bad_and_warning_are_told_apart_by_every_eye(name: str, depth: str, eye: str) -> None:
    palette = THEMES[name]
    near = {
        f"{one} and {other}": round(distance, 1)
        for one, other in (("success", "error"), ("success", "warning"), ("success", "accent"))
        if (distance := apart(shown(palette[one], depth), shown(palette[other], depth), eye)) < 20
    }
    assert near == {}
