"""Rules about what the server does with an entry script: it loads the file by its path, calls ``init()`` once and
``run(data)`` for each request (docs/azureml-images.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..data import frozen
from ..finding import Finding
from ..pysource.batch import CONTEXT
from ..pysource.bindings import Binding, Parameters
from ..pysource.entry_points import TRANSPARENT, EntryPoint
from ..pysource.reached import Reached
from ..pysource.source import Source
from ..pysource.unregistered import Relative, dataclasses_of_texts, models_of_texts
from ..text import named
from .facts import Script
from .rule import rule

_ADVICE = {
    "async": "Write it as `def`. What must be awaited, a plain function can run: `return asyncio.run(answer(data))`.",
    "generator": "Return the whole answer, such as a list, and leave `yield` to an inner function.",
    "parameters": "The server calls init() with nothing, and run() with the request as its first parameter; it also "
    "passes `request_headers`, if run() has a parameter of that name. Give all others a default.",
    "constant": "Define a function of this name at the top level of the entry script.",
    "class": "Write a function of this name that returns what JSON can show.",
}


@rule("AML110", "error")
def never_awaited(script: Script, points: tuple[EntryPoint, ...]) -> Iterator[Finding]:
    """The server never awaits an async init() or run().

    The server calls them plainly. An async `init()` never runs, though the container seems
    healthy; an async `run()`, or one with a `yield`, answers each request with 500.

    Bad `score.py`:

        async def init(): ...

        async def run(data): ...

    Good `score.py`:

        def init(): ...

        def run(data): return asyncio.run(answer(data))

    Silent: inner functions of any kind. Where a decorator or a condition may make it another function, AML111 warns.
    """
    yield from _unfit(script, points, ("async", "generator"), proven=True)


@rule("AML111", "warning")
def perhaps_unfit(script: Script, points: tuple[EntryPoint, ...]) -> Iterator[Finding]:
    """A definition of init() or run() may not fit the server.

    One of several definitions is async, a generator, or has parameters that the server does not give, and which of
    them counts is only known when the code runs. Or it is a class, and its objects are no JSON.

    Bad `score.py`:

        if FAST:
            async def run(data): ...
        else:
            def run(data): ...

    Good `score.py`:

        def run(data): ...

    Silent: functions whose parameters a decorator may change.
    """
    yield from _unfit(script, points, ("async", "generator", "parameters", "constant", "class"), proven=False)


@rule("AML112", "error")
def wrong_parameters(script: Script, points: tuple[EntryPoint, ...]) -> Iterator[Finding]:
    """The server does not give what init() or run() needs.

    The server calls `init()` with nothing, and `run()` with the request's body; what has a default may stand beside
    it, and `request_headers`. It refuses to start with `*args`, `**kwargs` or `data, /`.

    Bad `score.py`:

        def run(self, data): ...

    Good `score.py`:

        def run(data, request_headers): ...

    Silent: with `@input_schema`, which names the parameters, and with decorators that may change them.
    """
    yield from _unfit(script, points, ("parameters",), proven=True)


@rule("AML113", "error")
def relative_import(script: Script, used: Reached) -> Iterator[Finding]:
    """A relative import starts outside a package.

    The server loads the entry script by its path, so it is in no package, and `from .helper import x` ends the start.
    So it does in a module at the top of the code folder.

    Bad `score.py`:

        from .helper import clean

    Good `score.py`:

        from helper import clean

    Silent: within packages of the code folder, in a `try` that goes on without it, below `if __name__ == "__main__"`.
    """
    yield from _relative(script, used, sure=True)


@rule("AML114", "error")
def never_bound(script: Script, entry: Source, points: tuple[EntryPoint, ...]) -> Iterator[Finding]:
    """The server will not find init() or run().

    It is only defined where the server never goes: below `if False`, `if TYPE_CHECKING` or
    `if __name__ == "__main__"` (the server loads the file as a module), or it is deleted again. Or it is imported
    from a module of the project that does not have it.

    Bad `score.py`:

        if __name__ == "__main__":
            def init(): ...
            def run(data): ...

    Good `score.py`:

        def init(): ...
        def run(data): ...

        if __name__ == "__main__":
            init()

    Silent: what `exec`, `globals()`, a module's `__getattr__` or a star import may bring; AML115 warns of it.
    """
    for point in points:
        if not point.is_missing or (point.name not in entry.names | entry.declared and not entry.star):
            continue
        away = next((each for each in point.candidates if each.file != script.name and each.line), None)
        line = _defined(entry, point.name)
        hint = f"Define {point.name}() at the top level of the entry script."
        if away:
            line, why = away.line, f"{away.file}, from which it is imported, does not define it"
        elif line:
            why = "what defines it never runs there"
            hint += " The server loads it as a module: `__name__` is not `__main__`, and TYPE_CHECKING is false."
        else:
            why = f"`{entry.star}` does not bring it" if entry.star else "nothing gives it a value"
        yield Finding(
            f"the entry script has no {point.name}() once the server has loaded it: {why}",
            location=script.at(script.name, line),
            hint=hint,
        )


@rule("AML115", "warning")
def perhaps_unbound(script: Script, points: tuple[EntryPoint, ...]) -> Iterator[Finding]:
    """The server may not find init() or run().

    It is only bound under a condition, or nothing in the text binds it, and a star import, `exec` or the like may.

    Bad `score.py`:

        from helper import *

    Good `score.py`:

        from helper import init, run

    Silent: `if` and `else` that both define it, and a star import of a module of the project that has it.
    """
    for point in points:
        if not point.may_be_missing:
            continue
        stars = sorted(each[1:] for each in point.unknown if each.startswith("*"))
        why = "may come from code that binds names as it runs"
        if point.bound or "elsewhere" in point.unknown:
            why = "is only defined under a condition"
        if stars and not point.bound:
            why = f"may come from `{stars[0]}`"
        yield Finding(
            f"{point.name}() {why}; if it is not there once the script is loaded, the container ends",
            location=script.at(script.name, next((each.line for each, _ in point.bound), None)),
            hint="Define it, or import it by its name, at the top level.",
        )


@rule("AML116", "error")
def dataclass_of_texts(script: Script, entry: Source) -> Iterator[Finding]:
    """A dataclass in the entry script has types that are texts.

    With `from __future__ import annotations`, or quotes around a type, `dataclasses` looks for the class's module in
    `sys.modules`. The server does not put the entry script there, and it ends with `'NoneType' object has no
    attribute '__dict__'`.

    Bad `score.py`:

        from __future__ import annotations

        @dataclass
        class Row:
            price: float

    Good `score.py`:

        from rows import Row    # rows.py has the dataclass

    Silent: in other modules, without fields, and for types such as `np.ndarray`, which name their module.
    """
    for each in dataclasses_of_texts(entry):
        if each.sure:
            yield Finding(
                f"the dataclass {each.name} cannot be made in the entry script: its type of {each.field}, "
                f"`{each.type}`, is a text, and the server does not put the script into sys.modules",
                location=script.at(script.name, each.line),
                hint=f"Move {each.name} to a module beside the entry script, or remove `from __future__ import "
                "annotations` and quotes around types.",
            )


@rule("AML117", "error")
def not_callable(script: Script, points: tuple[EntryPoint, ...]) -> Iterator[Finding]:
    """A plain value is bound to init or run.

    The server takes `run` before it calls `init()`, so a function that `init()` puts there comes too late.

    Bad `score.py`:

        run = None

        def init():
            global run
            run = load_model().predict

    Good `score.py`:

        def init():
            global model
            model = load_model()

        def run(data):
            return model.predict(data)

    Silent: anything but a number, a text, None and the like.
    """
    yield from _unfit(script, points, ("constant",), proven=True)


@rule("AML118", "warning")
def types_not_found(script: Script, entry: Source) -> Iterator[Finding]:
    """A class in the entry script may not find its types.

    pydantic resolves types that are texts (`from __future__ import annotations`, or quotes) in the class's module,
    which it does not find: the server does not put the entry script into `sys.modules`. The model is then "not fully
    defined", and using it raises.

    Bad `score.py`:

        from __future__ import annotations

        class Row(BaseModel):
            when: date

    Good `score.py`:

        from rows import Row    # rows.py has the model

    Silent: types that are built in, and a script that calls `model_rebuild`. A dataclass that is made under a
    condition or in a function is told here too; AML116 has those that are always made.
    """
    dataclasses = [("dataclass", each) for each in dataclasses_of_texts(entry) if not each.sure]
    for kind, each in [*(("pydantic model", each) for each in models_of_texts(entry)), *dataclasses]:
        yield Finding(
            f"the {kind} {each.name} will not find the type of {each.field}, `{each.type}`: it is a text, and the "
            "server does not put the entry script into sys.modules",
            location=script.at(script.name, each.line),
            hint=f"Move {each.name} to a module beside the entry script, or remove `from __future__ import "
            "annotations` and quotes around types.",
        )


@rule("AML119", "warning")
def perhaps_relative_import(script: Script, used: Reached) -> Iterator[Finding]:
    """A relative import starts outside a package, where it is run.

    As AML113, in a function or under a condition: it fails when that code runs.

    Bad `score.py`:

        def init():
            from .helper import load

    Good `score.py`:

        def init():
            from helper import load

    Silent: as AML113.
    """
    yield from _relative(script, used, sure=False)


def _relative(script: Script, used: Reached, *, sure: bool) -> Iterator[Finding]:
    by_file: dict[str, list[Relative]] = {}
    for each in used.relative:
        if each.sure == sure:
            by_file.setdefault(each.file, []).append(each)
    for file, (first, *rest) in by_file.items():
        whose = "the entry script" if file == script.name else file
        write = f"Write `{first.absolute}`" if first.absolute else "Import it by its whole name"
        lines = ", ".join(str(each.line) for each in rest)
        more = f" (and {len(rest)} more, at line{'s' * (len(rest) > 1)} {lines})" if rest else ""
        yield Finding(
            f"`{first.text}` fails: {whose} is in no package that this could start from{more}",
            location=script.at(file, first.line),
            hint=f"{write}: the server finds modules from the code folder on.",
        )


def _unfit(
    script: Script, points: tuple[EntryPoint, ...], kinds: tuple[str, ...], *, proven: bool
) -> Iterator[Finding]:
    for point in points:
        wrong = [(each, binding, fault) for each, binding in point.bound if (fault := _fault(point.name, binding))]
        certain = not point.unknown and len(wrong) == len(point.candidates)
        certain = certain and all(_is_plain(binding) and fault.kind != "class" for _, binding, fault in wrong)
        for each, binding, fault in wrong:
            if (
                fault.kind not in kinds
                or certain != proven
                or (fault.kind == "parameters" and not _is_plain(binding))
            ):
                continue
            call = f"{point.name}()" if fault.kind in ("async", "generator", "parameters") else point.name
            yield Finding(
                f"{call} {fault.text}{'' if certain else _doubt(point, binding, fault)}",
                location=script.at(each.file, binding.line),
                hint=_ADVICE[fault.kind],
            )


def _doubt(point: EntryPoint, binding: Binding, fault: _Fault) -> str:
    """Why it may be otherwise."""
    if len(point.candidates) > 1:
        return " (in one of its definitions)"
    if not _is_plain(binding):
        return " (unless a decorator changes that)"
    return " (unless other code replaces it)" if point.unknown else ""


def _defined(entry: Source, name: str) -> int | None:
    """The line of the first function of a name that is not in another function or a class."""
    waiting = list(entry.tree.body) if entry.tree else []
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node.lineno
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting += (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt))
    return None


def _is_plain(binding: Binding) -> bool:
    """Whether it is called as it is written."""
    return set(binding.decorators) <= TRANSPARENT


@frozen
class _Fault:
    kind: str
    text: str


def _fault(name: str, binding: Binding) -> _Fault | None:
    """What is wrong with a binding, as the end of a sentence."""
    init = name == "init"
    if binding.kind == "async":
        end = "it never runs, and nothing tells you" if init else "each request fails with status 500"
        return _Fault("async", f"is async: the server does not await it, so {end}")
    if binding.kind == "generator":
        end = "its body never runs" if init else "each request fails: a generator is no JSON"
        return _Fault("generator", f"has a `yield`, so calling it only makes a generator, and {end}")
    if binding.kind == "constant":
        return _Fault("constant", f"is {binding.shown}, which the server cannot call: the container ends")
    if binding.kind == "class":
        return None if init else _Fault("class", "is a class: the object that a call makes is no JSON")
    text = _parameter_fault(binding.parameters, binding.decorators, init=init) if binding.parameters else None
    return _Fault("parameters", text) if text else None


def _parameter_fault(given: Parameters, decorators: tuple[str, ...], *, init: bool) -> str | None:
    if init:
        return f"needs {' and '.join(given.needed)}, but the server gives it nothing" if given.needed else None
    if given.forbidden:
        return f"has `{given.forbidden[0]}`, which the server refuses: the container ends"
    names = [each for each in given.order if each != "request_headers"]
    if not names:
        return "has no parameter for the request, which the server refuses: the container ends"
    more = [each for each in given.needed if each not in ("request_headers", names[0])]
    if more and "input_schema" not in decorators:
        batch = (
            f" (a batch deployment's driver would: for that, use {named('environment_only')})"
            if CONTEXT in more
            else ""
        )
        return f"needs {' and '.join(more)} besides {names[0]}, and the server gives it one value only{batch}"
    return None
