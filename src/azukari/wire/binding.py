"""From a tree of members to a Struct: :func:`convert`, for queries :func:`convert_query`.

Each Struct is compiled once into a function that reads its members by their types' own rules (``fields.py``); msgspec
then builds it and checks what has no reader: required members, ``Literal``, objects and lists.
"""

import functools
import re
import types
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from azukari.core.errors import ApiError, InvalidParameter, MissingParameter
from azukari.wire import forms
from azukari.wire.fields import Explicit, Flag, InvalidValue, Reader, ShortText, Whole, unfit, unindexed

S = TypeVar("S", bound=msgspec.Struct)
Step = Callable[[Any], object]
Path = list[str | int]

#: What a bare type is read as.
_BARE: dict[Any, Any] = {str: ShortText, int: Whole, bool: Flag}


def convert(tree: dict[str, object], kind: type[S]) -> S:
    """The Struct a tree stands for. Unknown members are ignored.

    Empty strings and nulls mean "not given" everywhere but inside ``Metadata`` and where a member is Explicit; a null
    reaches a member only where its type has ``None``, and one typed ``object`` gets its value untouched.
    Raises MissingParameter, InvalidParameter, worded from the member's name alone.
    """
    return _convert(tree, kind, _param)


def convert_query(raw: bytes, kind: type[S], body: dict[str, object] | None = None) -> S:
    """:func:`convert` for the query of a URL; errors name the parameter, not the element of a list in it.

    body: of the same request, where KOMOJU's gem for Ruby puts the filters of a list. Raises BadRequest too.
    """
    return _convert(forms.parse(raw) | (body or {}), kind, _parameter)


def _convert(tree: dict[str, object], kind: type[S], name: Callable[[Path], str]) -> S:
    try:
        return msgspec.convert(_step(kind)(tree), kind, dec_hook=_as_it_is)
    except InvalidValue as refused:
        path = refused.path[::-1]
        error = InvalidParameter(name(path), _sentence(refused.message, path))
        error.code = refused.code or error.code
        raise error from None
    except msgspec.ValidationError as unfit:
        raise _refusal(str(unfit), name) from None


def _sentence(message: str | None, path: Path) -> str | None:
    leaf = next((step for step in reversed(path) if isinstance(step, str)), "")
    return message and message.format(leaf.replace("_", " ").capitalize(), name=leaf)


def _param(path: Path) -> str:
    """``payment_details[number]``, ``line_items[0][amount]``."""
    return str(path[0]) + "".join(f"[{step}]" for step in path[1:])


def _parameter(path: Path) -> str:
    return str(path[0])


_MISSING = "Object missing required field `"
_PLACE = re.compile(r"\.([^.\[`]+)|\[([0-9]+)\]")


def _refusal(message: str, name: Callable[[Path], str]) -> ApiError:
    """Our error for msgspec's: the place is taken from its text, and nothing else.

    The place is the text's end and holds only names of our own and positions; what comes before may quote the caller.
    """
    place = message.rpartition(" - at `$")[2]
    path: Path = [field or int(index) for field, index in _PLACE.findall(place)]
    if message.startswith(_MISSING):
        path.append(message[len(_MISSING) :].partition("`")[0])
        return MissingParameter(name(path))
    return InvalidParameter(name(path))


def _as_it_is(kind: type, value: Any) -> Any:
    """msgspec asks us about ``object``: it gets what is there."""
    if kind is object:
        return value
    raise NotImplementedError(kind)


@functools.cache
def _step(kind: type[msgspec.Struct]) -> Step:
    """How an object is read before msgspec builds the Struct: once per Struct, members looked up by name."""
    fields = {field.encode_name: _member(field.type) for field in msgspec.structs.fields(kind)}
    meant = {_plain(name): name for name, member in fields.items() if member.explicit is not None}

    def read(tree: object) -> object:
        if tree == []:
            return {}  # PHP's empty object
        if not isinstance(tree, dict):
            return tree
        found: dict[str, object] = {}
        for name, value in tree.items():
            member = fields.get(name)
            if member is None:
                if meant:
                    _refuse_misplaced(name, value, {key: own for key, own in meant.items() if own not in tree})
                continue
            step, takes_null, explicit = member
            if value is None or value == "":
                if explicit is not None and not (value is None and explicit.takes_null):
                    refused = unfit("it is empty; give it a value, or leave it out")
                    refused.path.append(name)
                    raise refused
                if takes_null and value is None:
                    found[name] = None
                continue
            if step is not None:
                try:
                    value = step(value)
                except InvalidValue as refused:
                    refused.path.append(name)
                    raise
                if value == "":
                    continue  # blanks alone, where they are no part of a value
            found[name] = value
        return found

    return read


def _plain(name: str) -> str:
    """A name as it is whichever way its words are put together."""
    return name.replace("_", "").replace("-", "").casefold()


def _refuse_misplaced(name: str, value: object, absent: dict[str, str]) -> None:
    """Refuse what would be an explicit member if it were written right: ``Amount``, or ``refund[amount]``.

    absent: the explicit members that are not there, by their plain names. Metadata is the merchant's own.
    """
    meant = absent.get(_plain(name))
    rule = "write its name so, in small letters"
    if meant is None and isinstance(value, dict) and name != "metadata":
        meant = next((absent[key] for key in map(_plain, value) if key in absent), None)
        rule = "it stands inside of another parameter, where it is not read"
    if meant is not None:
        refused = unfit(rule)
        refused.path.append(meant)
        raise refused


class _Member(NamedTuple):
    """How a member is read: whether null is one of its values, and whether its absence must be meant."""

    step: Step | None
    takes_null: bool
    explicit: Explicit | None


def _member(kind: Any) -> _Member:
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    rest = [option for option in options if option not in (types.NoneType, msgspec.UnsetType)]
    steps = [_leaf(option) for option in rest]
    if len(rest) > 1 and any(steps):
        raise TypeError(f"{kind}: say how it is read with Annotated[..., Reader(...)]")
    notes = [note for option in rest for note in getattr(option, "__metadata__", ())]
    explicit = next((note for note in notes if isinstance(note, Explicit)), None)
    return _Member(steps[0], types.NoneType in options, explicit)


def _leaf(kind: Any) -> Step | None:
    kind = _BARE.get(kind, kind)
    if get_origin(kind) is Annotated:
        for note in kind.__metadata__:
            if isinstance(note, Reader):
                return note.read
        return _leaf(kind.__origin__)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _step(kind)
    if get_origin(kind) in (list, tuple):
        return _elements(_leaf(get_args(kind)[0]))
    return None


def _elements(step: Step | None) -> Step:
    def read(value: object) -> object:
        value = unindexed(value)
        if isinstance(value, str):
            raise unfit("it must be a list: write {name}[]= in a form, [] in JSON")
        if not isinstance(value, list):
            return value
        found: list[object] = []
        for position, held in enumerate(value):
            if held is None or held == "":
                continue
            try:
                found.append(held if step is None else step(held))
            except InvalidValue as refused:
                refused.path.append(position)
                raise
        return found

    return read
