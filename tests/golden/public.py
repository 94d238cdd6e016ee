"""The library's public surface as text: every public name with its signature, one module after the other."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import dagger_aml
from dagger_aml import events, steps, sync
from dagger_aml.azureml import exceptions
from dagger_aml.azureml.core import conda_dependencies, container_registry, environment, model, webservice, workspace

_SDK_V1 = (conda_dependencies, container_registry, environment, model, webservice, workspace, exceptions)

MODULES: tuple[ModuleType, ...] = (dagger_aml, sync, steps, events, *_SDK_V1)
"""The modules whose ``__all__`` is the public surface."""

_LONGEST = 110


def public_text() -> str:
    """What ``public.txt`` must hold."""
    parts = ["The public surface; written by python -m tests.golden.regenerate."]
    for module in MODULES:
        parts.append(f"\n# {module.__name__}\n")
        for name in sorted(module.__all__):
            parts += _described(name, getattr(module, name))
    return "\n".join(parts) + "\n"


def _described(name: str, found: Any) -> Iterator[str]:
    if inspect.isclass(found):
        bases = [base.__name__ for base in found.__bases__ if base is not object]
        yield from _called(f"class {name}", found, after=f" of {', '.join(bases)}" if bases else "")
        for part, member in sorted(vars(found).items()):
            if not part.startswith("_"):
                yield from (f"    {line}" for line in _member(part, member))
    elif inspect.isfunction(found):
        yield from _called(_keyword(found) + name, found)
    elif isinstance(found, str):
        yield f"{name}: str"
    else:
        yield f"{name} = {_without_modules(found)}"


def _member(name: str, member: Any) -> Iterator[str]:
    if isinstance(member, property):
        returned = inspect.signature(member.fget).return_annotation if member.fget else Any
        yield f"{name}: {_annotation(returned)}"
    elif isinstance(member, classmethod):
        yield from _called(f"classmethod {name}", member.__func__)
    elif isinstance(member, staticmethod):
        yield from _called(f"staticmethod {name}", member.__func__)
    elif inspect.isfunction(member):
        yield from _called(_keyword(member) + name, member)
    elif not inspect.isdatadescriptor(member):
        yield f"{name} = {member!r}"


def _keyword(function: Any) -> str:
    """How it is called: ``await``, ``async with`` and ``with`` are part of what a caller relies on."""
    inner = inspect.unwrap(function)
    if inspect.iscoroutinefunction(function):
        return "await "
    if inner is not function and inspect.isasyncgenfunction(inner):
        return "async with "
    return "with " if inner is not function and inspect.isgeneratorfunction(inner) else ""


def _called(name: str, found: Any, *, after: str = "") -> Iterator[str]:
    if getattr(found, "_is_protocol", False):
        yield f"{name}{after}"
        return
    signature = inspect.signature(found)
    parameters = list(_parameters(signature))
    if not inspect.isclass(found):
        after = f" -> {_annotation(signature.return_annotation)}"
    line = f"{name}({', '.join(parameters)}){after}"
    if len(line) <= _LONGEST:
        yield line
        return
    yield f"{name}("
    yield from (f"    {each}," for each in parameters)
    yield f"){after}"


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    starred = False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        text = f"**{each.name}" if each.kind is each.VAR_KEYWORD else each.name
        if each.annotation is not each.empty:
            text += f": {_annotation(each.annotation)}"
        yield text if each.default is each.empty else f"{text} = {_default(each.default)}"


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _without_modules(text)


def _default(value: Any) -> str:
    if inspect.isfunction(value):
        return value.__name__
    return "…" if repr(value) == "NOTHING" else repr(value)


def _without_modules(value: Any) -> str:
    """The text of a type, classes called by their bare names."""
    text = str(value)
    for prefix in ("dagger_aml.events.", "collections.abc.", "typing."):
        text = text.replace(prefix, "")
    return text
