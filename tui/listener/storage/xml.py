"""The little XML that S3 needs: writing escaped text, reading small documents without surprises."""

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
# Everything that XML 1.0 cannot carry at all, lone surrogates included.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})

Field: TypeAlias = "tuple[str, str | int | Iterable[Field]]"


class XmlError(ValueError):
    """The document is not one that we read."""


def escape(text: str) -> str:
    """`text` safe inside an element; what XML cannot carry becomes U+FFFD."""
    return _NOT_XML.sub("\ufffd", text).translate(_ESCAPES)


def document(root: str, fields: Iterable[Field], *, namespace: bool = True) -> bytes:
    """A whole document: `root` around `fields`, where a field's value is text or more fields."""
    return DECLARATION + element(root, fields, namespace=namespace)


def element(root: str, fields: Iterable[Field], *, namespace: bool = True) -> bytes:
    """The same without the declaration in front."""
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
    """One element: its local name, its own text, its children."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, name: str) -> list[Node]:
        """The children called `name`."""
        return [child for child in self.children if child.name == name]

    def get(self, name: str) -> str | None:
        """The text of the first child called `name`, stripped."""
        for child in self.children:
            if child.name == name:
                return child.text.strip()
        return None


def parse(data: bytes) -> Node:
    """Read a document. A document type, entities, deep nesting or a flood of elements are refused.

    Raises:
        XmlError: with the reason.
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
        self._open[-1].text += text
