"""A YAML file as data with the types that azure-ai-ml reads, and where each key stands."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

from attrs import field

from ...data import frozen
from ...errors import ProjectError
from ...finding import FileLocation
from ...requirements.files import read_bytes
from ...requirements.yaml_nodes import MOST_CHARACTERS, check_size, composed, not_yaml
from .model import Place

_TEMPLATE = re.compile(r"\{\{.*?\}\}")

_MERGE = "tag:yaml.org,2002:merge"


@frozen
class Document:
    """What a file holds.

    :param data: its mapping, with the types of YAML 1.1 (``010`` is 8, ``yes`` is true).
    :param root: PyYAML's node of it.
    """

    path: Path
    data: dict[Any, Any]
    root: Any = field(repr=False, eq=False)

    def place(self, *keys: str | int) -> Place:
        """Where a key stands, by the keys above it; where it does not, the innermost of these that does."""
        return Place(self.path, self._node(keys)[0].start_mark.line + 1)

    def written(self, *keys: str | int) -> str | None:
        """A value as the file has it, before YAML makes a number or the like of it; None of lists and mappings."""
        value = self._node(keys)[1]
        return str(value.value) if value.id == "scalar" else None

    def _node(self, keys: tuple[str | int, ...]) -> tuple[Any, Any]:
        """The node of the last key that is there, and of its value."""
        at = value = self.root
        for key in keys:
            if value.id == "mapping":
                found = next(((name, each) for name, each in value.value if name.value == str(key)), None)
            else:
                found = (value.value[key],) * 2 if isinstance(key, int) and key < len(value.value) else None
            if found is None:
                break
            at, value = found
        return at, value

    def beside(self, name: str) -> Path:
        """A path that the file names, absolute: what its ``..`` leave is followed, as a link in the rest is not."""
        parts = (self.path.parent / name).parts
        up = max((index for index, part in enumerate(parts, 1) if part == ".."), default=0)
        return Path(*parts[:up]).resolve().joinpath(*parts[up:]) if up else Path(*parts)

    def error(self, message: str, *keys: str | int, hint: str | None = None) -> ProjectError:
        """An error at a key."""
        return ProjectError(message, location=self.place(*keys).location, hint=hint)


def read_document(path: Path) -> Document:
    """Read a file that holds one mapping.

    :raises ProjectError: missing, unreadable, no UTF-8, no YAML, more than one document, a key twice, too large.
    """
    text = document_text(path)
    try:
        loader, root = composed(path, text)
        if root is None or root.tag == "tag:yaml.org,2002:null":
            raise ProjectError("is empty", location=FileLocation(str(path), path))
        check_size(path, root)
        _check_keys(path, root)
        data = loader.construct_document(root)
    except ProjectError as error:
        raise _explained(error, text) from None
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
        # A value that its tag, or YAML's pattern, takes and Python does not, such as 2026-02-30.
        said = f": {error}" if type(error) is ValueError else ""
        raise ProjectError(
            f"is not YAML: a value is not what it is marked as{said}", location=FileLocation(str(path), path)
        ) from None
    except Exception as error:
        import yaml

        if not isinstance(error, yaml.YAMLError):
            raise
        raise _explained(not_yaml(path, error), text) from None
    if not isinstance(data, dict):
        place = FileLocation(str(path), path, root.start_mark.line + 1)
        raise ProjectError("must be a mapping of keys to values", location=place)
    return Document(path, data, root)


def document_text(path: Path) -> str:
    """A file's text, in the encodings that azure-ai-ml reads: UTF-8 with and without a byte order mark.

    :raises ProjectError: missing, unreadable, no UTF-8, too large.
    """
    data = read_bytes(path).removeprefix(codecs.BOM_UTF8)
    if len(data) > 4 * MOST_CHARACTERS:
        raise ProjectError(f"is longer than {MOST_CHARACTERS} characters", location=FileLocation(str(path), path))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProjectError(
            "is not a text file in UTF-8", location=FileLocation(str(path), path, line), hint="Save it as UTF-8."
        ) from None


def _check_keys(path: Path, node: Any) -> None:
    """Refuse keys that stand twice in one mapping, of which YAML's readers take the last without a word."""
    done: set[int] = set()

    def check(node: Any) -> None:
        if node.id == "scalar" or id(node) in done:
            return
        done.add(id(node))
        if node.id == "sequence":
            for item in node.value:
                check(item)
            return
        seen: dict[tuple[str, str], Any] = {}
        for key, value in node.value:
            check(key)
            check(value)
            if key.id != "scalar" or key.tag == _MERGE:
                continue
            first = seen.setdefault((key.tag, key.value), key)
            if first is not key:
                raise ProjectError(
                    f"the key {key.value!r} stands here twice, first on line {first.start_mark.line + 1}",
                    location=FileLocation(str(path), path, key.start_mark.line + 1).of(key.value),
                    hint="Azure ML takes the last one; leave one of them out.",
                )

    check(node)


def _explained(error: ProjectError, text: str) -> ProjectError:
    """An error of a text that is no YAML, with what its cause may be."""
    if error.hint:
        return error
    number = error.location.line if isinstance(error.location, FileLocation) else None
    lines = text.splitlines()
    line = lines[number - 1] if number and number <= len(lines) else ""
    template = _TEMPLATE.search(line) or _TEMPLATE.search(text)
    hint = None
    if template:
        hint = f"It is a template: put a value in the place of {template[0]}."
    elif "\t" in line:
        hint = "YAML takes no tabs before a value; indent with blanks."
    return ProjectError(error.message, location=error.location, hint=hint)
