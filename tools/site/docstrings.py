"""The package's docstrings and classes as griffe knows them: Sphinx's roles, and what attrs makes of a class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from griffe import (
    Attribute,
    Class,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Object,
    Parameter,
    ParameterKind,
    Parameters,
)

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?\.?(?:[\w.]*\.)?(\w+)`")
_RAISES = re.compile(r"^( *):raises ([\w.]+), ([\w., ]+):(.*(?:\n\1 +\S.*)*)", re.M)


def plain(text: str) -> str:
    """The text with each role as the name that it refers to, and a ``:raises:`` for each error."""
    text = _ROLE.sub(r"`\1`", text)
    return _RAISES.sub(lambda said: "\n".join(_each(said)), text)


def _each(said: re.Match[str]) -> Iterator[str]:
    for name in (said[2], *said[3].replace(" ", "").split(",")):
        yield f"{said[1]}:raises {name}:{said[4]}"


class Docstrings(Extension):
    """Mends what is read of the package."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Of any object that has a docstring."""
        if obj.docstring:
            obj.docstring.value = plain(obj.docstring.value)

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Of a class that attrs makes, the ``__init__``."""
        names = {str(each.value).partition("(")[0] for each in cls.decorators}
        if names & {"frozen", "define"} and "__init__" not in cls.members:
            made = Function("__init__", parameters=Parameters(*_parameters(cls)), lineno=cls.lineno)
            cls.set_member("__init__", made)


def _parameters(cls: Class) -> Iterator[Parameter]:
    yield Parameter("self", kind=ParameterKind.positional_or_keyword)
    for name, member in cls.members.items():
        if not isinstance(member, Attribute) or member.annotation is None or "property" in member.labels:
            continue
        said = _said(member.value)
        if said.get("init") == "False":
            continue
        keyword = said.get("kw_only") == "True"
        yield Parameter(
            name.lstrip("_"),
            annotation=member.annotation,
            kind=ParameterKind.keyword_only if keyword else ParameterKind.positional_or_keyword,
            default="..." if "factory" in said else said.get("default"),
        )


def _said(value: Expr | str | None) -> dict[str, str]:
    """What ``field`` is given, or the default alone."""
    if value is None:
        return {}
    if isinstance(value, ExprCall) and str(value.function) == "field":
        return {each.name: str(each.value) for each in value.arguments if isinstance(each, ExprKeyword)}
    return {"default": str(value)}
