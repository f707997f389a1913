"""Secrets that a person hands over: at a prompt, in a file or on standard input, never as an argument."""

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from azukari.cli.common import fail
from azukari.core.secret import Secret

#: What processors' keys begin with, and the first line of a key file.
_KNOWN = re.compile(r"(?:^|[^0-9A-Za-z])(?:sk|rk|whsec)_[0-9A-Za-z_]{6,}|-----BEGIN")
_RUN = re.compile(r"[0-9A-Za-z]{20,}")
_HEX = re.compile(r"[0-9a-f]{32,}")
_MIXED = (re.compile("[0-9]"), re.compile("[a-z]"), re.compile("[A-Z]"))


def looks_like_a_secret(word: str) -> bool:
    """Whether an argument is, or holds, what may be a secret. A file that is there is none."""
    if _is_path(word) or _is_path(word.partition("=")[2]):
        return False
    return bool(_KNOWN.search(word)) or any(
        _HEX.fullmatch(run) or all(kind.search(run) for kind in _MIXED) for run in _RUN.findall(word)
    )


def _is_path(word: str) -> bool:
    try:
        return os.path.exists(word)
    except (OSError, ValueError):
        return False


class SecretsStayOut(TyperGroup):
    """Commands that refuse an argument that looks like a secret before they look at anything else."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if any(map(looks_like_a_secret, args)):
            refuse_argument()
        return super().parse_args(ctx, args)


def refuse_argument() -> NoReturn:
    """Say what to do with a secret that has been an argument."""
    fail(
        "An argument looks like a secret. Every user of this machine can read a command's arguments, and the shell "
        "keeps them: replace it where you got it. Secrets are typed at the prompt, or come from a file "
        "(--secret-file NAME=FILE) or from standard input (--secrets-stdin)."
    )


def read_files(given: Sequence[str]) -> dict[str, Secret]:
    """The secrets of ``NAME=FILE`` options, each a file's text without the end of its last line."""
    found = {}
    for each in given:
        name, _, path = each.partition("=")
        if not path:
            fail("--secret-file must look like secret_key=/run/secrets/komoju.")
        try:
            found[name] = Secret(Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, ValueError) as error:
            fail(f"The secret's file cannot be read ({type(error).__name__}).")
    return found


def read_stdin() -> dict[str, Secret]:
    """The values on standard input: a JSON object of texts, or lines that are ``NAME=VALUE``."""
    text = sys.stdin.read()
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            fail("Standard input is no JSON object.")
        if not all(isinstance(value, str) for value in found.values()):
            fail("Standard input must be a JSON object of texts.")
        return {name: Secret(value) for name, value in found.items()}
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    if not pairs or not all(equals for _, equals, _ in pairs):
        fail("Standard input must be a JSON object, or lines that look like secret_key=VALUE.")
    return {name.strip(): Secret(value) for name, _, value in pairs}


def ask(name: str) -> Secret:
    """A secret typed at the prompt, which shows nothing of it."""
    return Secret(typer.prompt(name, hide_input=True, err=True))
