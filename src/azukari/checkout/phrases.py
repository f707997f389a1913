"""Where a Japanese heading may break: between phrases. Not every browser knows that by itself, so their style sheet
breaks headings nowhere else. The page's script has the same rule for what it puts in (``write`` in ``static/dom.js``).
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

#: After a particle: where hiragana goes on it may be none, unless it is を, or が before あり or でき.
#: Before the polite お or ご of a word in kanji. And around signs, where not every browser breaks in headings either.
_END = re.compile(
    "[はがにでとへものて](?=(?![ぁ-ゖー])[^\\W_])|[を、。](?=[^\\W_])|が(?=[あで])|[^\\W_](?=[おご][一-龯々]|[（「])"
)


def phrases(text: object) -> "Markup":
    """A text as HTML, with a break between any two phrases."""
    from markupsafe import Markup, escape  # for pages only: a start does not wait for it

    return Markup("<wbr>").join(escape(phrase) for phrase in split(str(text)))


def split(text: str) -> list[str]:
    """The phrases of a text; of one in another language than Japanese, the text."""
    return _END.sub(lambda found: f"{found[0]}\n", text).split("\n")
