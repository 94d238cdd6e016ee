"""What this machine has to build with, and what each missing thing means.

Nothing here builds, downloads or starts anything, and nothing waits longer than its deadline. Only data is made;
``dagger-aml doctor`` prints it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from ..backends.builders import BUILDERS, DEFAULT
from ..policy import DEFAULT as USUAL
from ..policy import Policy
from .builders import LOCAL, dagger, program
from .check import AREAS, Check, Diagnosis
from .machine import certificates, disk, logins, proxies, versions

__all__ = ["AREAS", "Check", "Diagnosis", "diagnose"]


async def diagnose(*, engine: str | None = None, engine_timeout: float = 0, policy: Policy = USUAL) -> Diagnosis:
    """Look at everything at once.

    :param engine: address of the Dagger engine to look at, in place of the one that would be found.
    :param engine_timeout: seconds that getting and starting an engine in Docker may take besides; with 0 neither is
        tried.
    :param policy: how long one check may take, and what it asks.
    """
    parts: dict[str, tuple[Check, ...]] = {}

    async def look(area: str, name: str, check: Callable[[], Awaitable[tuple[Check, ...]]], patience: float) -> None:
        try:
            with anyio.fail_after(patience):
                parts[name] = await check()
        except TimeoutError:
            parts[name] = (Check(area, name, "missing", f"does not answer within {patience:.0f} s"),)
        except Exception as error:
            said = str(error) or type(error).__name__
            parts[name] = (Check(area, name, "missing", f"the check failed: {said.splitlines()[0]}"),)

    async with anyio.create_task_group() as tasks:
        seconds = policy.doctor_check_deadline_seconds
        ask_dagger = partial(dagger, engine, engine_timeout, policy)
        tasks.start_soon(look, "builders", DEFAULT, ask_dagger, seconds + engine_timeout)
        for area, name, check in (
            *(("builders", name, LOCAL.get(name, partial(program, name))) for name in BUILDERS if name != DEFAULT),
            ("disk", "disk", disk),
            ("logins", "logins", logins),
            ("proxies", "proxies", proxies),
            ("certificates", "certificates", certificates),
        ):
            tasks.start_soon(look, area, name, check, seconds)
    names = (*BUILDERS, "disk", "logins", "proxies", "certificates")
    return Diagnosis(tuple(check for name in names for check in parts[name]), versions())
