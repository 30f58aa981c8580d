"""Writes and parses the XML documents of S3.

expat directly, and not ElementTree: the receiver parses input of strangers and must refuse document
types, deep nesting and floods of elements while they arrive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias
from xml.parsers import expat

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'

_MAX_DEPTH = 8
_MAX_ELEMENTS = 100_000
# Characters that XML 1.0 cannot contain, lone surrogates included.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})

Field: TypeAlias = "tuple[str, str | int | Iterable[Field]]"


class XmlError(ValueError):
    """The document is malformed or exceeds a limit."""


def escape(text: str) -> str:
    """Escape `text` for an element; characters that XML cannot contain become U+FFFD."""
    return _NOT_XML.sub("\ufffd", text).translate(_ESCAPES)


def document(root: str, fields: Iterable[Field], *, namespace: bool = True) -> bytes:
    """Return a document: `root` around `fields`, where a field's value is text or more fields."""
    return DECLARATION + element(root, fields, namespace=namespace)


def element(root: str, fields: Iterable[Field], *, namespace: bool = True) -> bytes:
    """Return the same as `document`, without the XML declaration."""
    space = f' xmlns="{NAMESPACE}"' if namespace else ""
    return f"<{root}{space}>{_content(fields)}</{root}>".encode()


def _content(fields: Iterable[Field]) -> str:
    parts: list[str] = []
    for name, value in fields:
        inner = escape(str(value)) if isinstance(value, str | int) else _content(value)
        parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


@dataclass(slots=True)
class Node:
    """An element: its local name, the pieces of its text and its children."""

    name: str
    pieces: list[str] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text of the element itself, without its children's."""
        return "".join(self.pieces)

    def all(self, name: str) -> list[Node]:
        """Return the children called `name`."""
        return [child for child in self.children if child.name == name]

    def get(self, name: str) -> str | None:
        """Return the stripped text of the first child called `name`, or None."""
        for child in self.children:
            if child.name == name:
                return child.text.strip()
        return None


def parse(data: bytes) -> Node:
    """Parse a document; refuses document types, entities, deep nesting and floods of elements.

    Raises:
        XmlError: the document is refused; the message is the reason.
    """
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as problem:
        raise XmlError(str(problem)) from problem
    if builder.root is None:
        raise XmlError("the document is empty")
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._count = 0

    def doctype(self, *_: object) -> None:
        raise XmlError("a document type is not allowed")

    def start(self, name: str, _attributes: object) -> None:
        self._count += 1
        if len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise XmlError("the document is nested too deeply or has too many elements")
        node = Node(name.rpartition(" ")[2])
        if self._open:
            self._open[-1].children.append(node)
        elif self.root is None:
            self.root = node
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        # Joined once, when it is asked for: to join at every piece would take quadratic time.
        self._open[-1].pieces.append(text)
