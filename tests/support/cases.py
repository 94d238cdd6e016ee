"""Many small cases of one kind as one test: each by itself costs more to be collected and told than to be tried."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

FOLDER = "tmp_path"
"""The one fixture of which each case has its own."""

LONGEST = 300
"""Characters that are shown of a case."""


def for_each(
    names: str | tuple[str, ...], cases: Iterable[Any], ids: Callable[[Any], str] | Iterable[str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As ``pytest.mark.parametrize``, in one test: every case is tried, and each that fails is named.

    Cases share the fixtures, but for ``tmp_path``, of which each has a folder of its own; so this is for no test that
    changes what it is given.

    :param names: of the parameters, as there.
    :param cases: what each is tried with.
    :param ids: what a case is called; its values unless given.
    :raises ValueError: there are no cases. :raises TypeError: the test is a coroutine, or a case bears marks.
    """
    keys = [each.strip() for each in names.split(",")] if isinstance(names, str) else list(names)
    alone = isinstance(names, str) and len(keys) == 1
    found = [_values(each, alone=alone) for each in cases]
    if not found:
        raise ValueError("there are no cases")
    call: Callable[[Any], object] = ids if callable(ids) else repr
    called = (
        [", ".join(str(call(each)) for each in values) for values in found] if ids is None or ids is call else ids
    )
    named = list(zip(called, found, strict=True))

    def made(test: Callable[..., None]) -> Callable[..., None]:
        if inspect.iscoroutinefunction(test):
            raise TypeError(f"{test.__name__} is a coroutine")
        signature = inspect.signature(test)

        @functools.wraps(test)
        def tried(**fixtures: Any) -> None:
            failed: list[tuple[str, BaseException]] = []
            for number, (name, values) in enumerate(named):
                try:
                    test(**{**fixtures, **_own(fixtures, number)}, **dict(zip(keys, values, strict=True)))
                except pytest.skip.Exception as skipped:
                    # pytest takes a group of nothing else for a test that skips, and the other cases would be hidden.
                    _note(failed, name, AssertionError(f"a case may not skip: {skipped}"))
                except (Exception, BaseExceptionGroup, pytest.fail.Exception) as error:
                    _note(failed, name, error)
            if failed:
                # Python shows fifteen of a group's exceptions, so the text names them all.
                names, errors = zip(*failed, strict=True)
                raise BaseExceptionGroup(f"{len(failed)} of {len(named)} cases fail: {'; '.join(names)}", errors)

        left = [each for name, each in signature.parameters.items() if name not in keys]
        tried.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return tried

    return made


def _values(case: Any, *, alone: bool) -> tuple[Any, ...]:
    if isinstance(case, type(pytest.param())):
        if case.marks:
            raise TypeError(f"the case {case.values} bears marks")
        return tuple(case.values)
    return (case,) if alone else tuple(case)


def _note(failed: list[tuple[str, BaseException]], name: str, error: BaseException) -> None:
    shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
    error.add_note(f"the case: {shown}")
    failed.append((shown, error))


def _own(fixtures: dict[str, Any], number: int) -> dict[str, Path]:
    if FOLDER not in fixtures:
        return {}
    folder = Path(fixtures[FOLDER], str(number))
    folder.mkdir()
    return {FOLDER: folder}
