"""A merchant's colour as a style sheet: the roles that follow from it, light and dark, with contrast that holds."""

from collections.abc import Callable

from azukari.core.colours import BLACK, WHITE, Colour, contrast, read, write

#: Our grounds: white and the dark sheet. White text stands on the fill.
_DARK = (28, 32, 36)
#: Source: WCAG 2.2, 1.4.3 for text and 1.4.11 for controls.
_TEXT, _CONTROL = 4.5, 3.0


def sheet(accent: str) -> str:
    """The style sheet of ``#rrggbb``."""
    own = read(accent)
    fill = _mixed_until(own, BLACK, lambda shade: contrast(shade, WHITE) >= _TEXT)
    wash = mix(own, WHITE, 0.92)
    text = _mixed_until(fill, BLACK, lambda shade: contrast(shade, wash) >= _TEXT)
    dark_wash = mix(own, _DARK, 0.9)
    dark_text = _mixed_until(own, WHITE, lambda shade: contrast(shade, dark_wash) >= _TEXT)
    dark_fill = _mixed_until(
        _mixed_until(own, WHITE, lambda shade: contrast(shade, _DARK) >= _CONTROL),
        BLACK,
        lambda shade: contrast(shade, WHITE) >= _TEXT,
    )
    light = _rule(accent=text, fill=fill, press=mix(fill, BLACK, 0.2), wash=wash)
    dark = _rule(accent=dark_text, fill=dark_fill, press=mix(dark_fill, BLACK, 0.2), wash=dark_wash)
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {_PRINT} }}\n"


_PRINT = ":root { --accent: #000; --wash: #fff; }"


def _rule(*, accent: Colour, fill: Colour, press: Colour, wash: Colour) -> str:
    return (
        f":root {{ --accent: {write(accent)}; --fill: {write(fill)}; --fill-press: {write(press)}; "
        f"--wash: {write(wash)}; }}"
    )


def _mixed_until(colour: Colour, other: Colour, good: Callable[[Colour], bool]) -> Colour:
    """The colour with as little of the other in it as makes it good."""
    return next((shade for step in range(21) if good(shade := mix(colour, other, step / 20))), other)


def mix(colour: Colour, other: Colour, part: float) -> Colour:
    """A colour with a part of another."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(colour, other, strict=True))
    return red, green, blue
