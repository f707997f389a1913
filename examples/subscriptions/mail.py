"""Where mails go. A shop puts its own in: whatever takes an address, a subject and a text."""

import re
from collections.abc import Callable
from pathlib import Path

Send = Callable[[str, str, str], None]


def to_console(address: str, subject: str, text: str) -> None:
    """Show it."""
    print(f"To: {address}\nSubject: {subject}\n\n{text}\n")


def to_folder(folder: Path) -> Send:
    """Put each into a file of its own."""

    def send(address: str, subject: str, text: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.@-]", "_", address)
        file = folder / f"{len(list(folder.iterdir())):06}-{name}.txt"
        file.write_text(f"To: {address}\nSubject: {subject}\n\n{text}\n", encoding="utf-8")

    return send
