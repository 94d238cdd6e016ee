"""YAML that all readers read alike, whether they know version 1.1 or 1.2.

PyYAML quotes what it would read as something else itself. Others read more: Go's, which Kubernetes has, takes ``1e3``
for a number and ``0o17`` too. So a text stands without quotes only where it is plainly a word, a path or a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import yaml

_PLAIN = re.compile(r"(?:\$?[A-Za-z]|\.{0,2}/)[A-Za-z0-9_./@:-]*(?<!:)")
_OTHER = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that are no texts, in any case of letters."""


def yaml_text(*documents: Mapping[str, Any], head: str = "") -> str:
    """Documents as one text, keys in the order that they have.

    :param head: comment lines above them, without their ``#``.
    :raises UsageError: a text that is not valid UTF-8, which YAML cannot say.
    """
    import yaml

    comment = "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines())
    return comment + yaml.dump_all(
        [_plain_data(each) for each in documents],
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=10_000_000,
    )


def _plain_data(value: Any) -> Any:
    """Mappings and sequences of any class as PyYAML knows them."""
    if isinstance(value, Mapping):
        return {_plain_data(key): _plain_data(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(each) for each in value]
    return value


@cache
def _dumper() -> type[yaml.SafeDumper]:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Without anchors, and with lists indented."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            return super().increase_indent(flow, False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"YAML cannot say what is not valid UTF-8: {value!r}") from None
        plain = _PLAIN.fullmatch(value) and value.lower() not in _OTHER
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')

    Dumper.add_representer(str, text)
    return Dumper
