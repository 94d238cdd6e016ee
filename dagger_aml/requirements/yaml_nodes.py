"""YAML within bounds: one document as PyYAML's nodes, which know their lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ProjectError
from ..finding import FileLocation

if TYPE_CHECKING:
    import yaml

MOST_CHARACTERS, _DEEPEST, _MOST_NODES = 100_000, 16, 20_000


def compose(path: Path, text: str) -> Any:
    """The root of the one document that a text holds; None where it holds none.

    :raises ProjectError: no YAML, too long, nested too deep, or of more than one document, with the line.
    """
    return composed(path, text)[1]


def composed(path: Path, text: str) -> tuple[yaml.SafeLoader, Any]:
    """As :func:`compose`, with the loader, which makes data of the nodes."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Ends at once where lists lie in lists, of which PyYAML reads each level slower than the one before."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > _DEEPEST:
                raise ProjectError("is nested too deep", location=FileLocation(str(path), path))
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    if len(text) > MOST_CHARACTERS:
        raise ProjectError(f"is longer than {MOST_CHARACTERS} characters", location=FileLocation(str(path), path))
    try:
        loader = Loader(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        raise not_yaml(path, error) from None
    return loader, root


def not_yaml(path: Path, error: yaml.YAMLError) -> ProjectError:
    """What PyYAML says of a text, as an error of ours."""
    import yaml

    if not isinstance(error, yaml.MarkedYAMLError):
        return ProjectError(f"is not YAML: {str(error).splitlines()[0]}", location=FileLocation(str(path), path))
    mark = error.problem_mark
    line, columns = (mark.line + 1, (mark.column + 1, mark.column + 2)) if mark else (None, None)
    return ProjectError(f"is not YAML: {error.problem}", location=FileLocation(str(path), path, line, columns))


def check_size(path: Path, root: Any) -> None:
    """See that no alias makes of a small file much data, or data without end.

    :raises ProjectError: it does.
    """
    measured: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()

    def measure(node: Any) -> tuple[int, int]:
        """How many nodes one stands for, and how deep they lie."""
        if node.id == "scalar":
            return 1, 1
        if id(node) in open_nodes:
            line = node.start_mark.line + 1
            raise ProjectError("an alias stands within what it names", location=FileLocation(str(path), path, line))
        if id(node) not in measured:
            open_nodes.add(id(node))
            parts = [part for item in node.value for part in (item if node.id == "mapping" else (item,))]
            sizes = [measure(part) for part in parts]
            count = 1 + sum(size for size, _ in sizes)
            depth = 1 + max((depth for _, depth in sizes), default=0)
            if count > _MOST_NODES or depth > _DEEPEST:
                raise ProjectError(
                    "its aliases (`*name`) make too much of it",
                    location=FileLocation(str(path), path, node.start_mark.line + 1),
                    hint="Write each value where it belongs, without aliases.",
                )
            open_nodes.discard(id(node))
            measured[id(node)] = count, depth
        return measured[id(node)]

    measure(root)
