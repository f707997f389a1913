"""Colours as three bytes, and how well one stands out from another."""

Colour = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def read(text: str) -> Colour:
    """``#rrggbb``."""
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def write(colour: Colour) -> str:
    """``#rrggbb``."""
    return "#" + bytes(colour).hex()


def contrast(one: Colour, other: Colour) -> float:
    """1 to 21. Source: WCAG 2.2, "contrast ratio"."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
