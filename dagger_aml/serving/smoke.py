"""The gate before publishing: the image that would be published is started, asked, and must answer as it should."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from .. import contract
from ..backends.base import Builder, Image
from ..base import catalog
from ..base.python import python_argv
from ..data import frozen
from ..errors import DaggerAmlError, EngineNotFound, ProjectError, TransientError, UsageError
from ..events import Message
from ..graph.graph import Graph
from ..plan.model import Plan
from ..policy import DEFAULT
from ..project.file_keys import ATOL, RTOL
from ..project.model import Project
from ..text import named
from ..version import __version__
from .answer import Comparison, Tolerance, compare_text
from .causes import Cause, why_not_imported, why_not_scored
from .endpoint import Endpoint
from .failure import ScoreFailed, StartFailed
from .http import Scored, content_type
from .packages import import_packages, required
from .places import Locate, located, near
from .restricted import limited
from .serve import serve

Mode = Literal["score", "restricted", "import", "packages"]

_IMPORT = f"""
import importlib.util, os, sys
root = os.environ.get("{contract.APP}") or "{contract.APP_ROOT}"
script = os.path.join(root, os.environ["{contract.ENTRY_SCRIPT}"])
os.chdir(root)
sys.path.append(root)
if os.environ.get("{contract.SOURCE_DIRECTORY}"):
    sys.path.append(os.path.join(root, os.environ["{contract.SOURCE_DIRECTORY}"]))
if os.environ.get("{contract.EXTRA_LIB_PATH}"):
    sys.path.insert(1, os.path.join(os.path.dirname(script), os.environ["{contract.EXTRA_LIB_PATH}"]))
spec = importlib.util.spec_from_file_location("entry_module", script)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for name in ("init", "run"):
    if not hasattr(module, name):
        sys.exit("User script at %s does not have a %s() function defined." % (script, name))
print("dagger-aml-uid %d" % os.getuid())
"""
"""Imports the entry script as the server does (its ``user_script.py``), without ``init()``."""


@frozen
class Smoke:
    """What a gate asks of an image.

    :param mode: ``score``: start it, ``GET /``, and ``POST /score`` if there is a request; ``restricted``: the same,
        within the limits of a cluster's restricted pod; ``import``: import the entry script alone; ``packages``:
        import each of ``packages``, in an image without code.
    :param offline: whether it must do without network.
    :param request: what is posted, and ``answer`` what must come back.
    :param rtol: how far a number may lie from the expected one, relative; ``atol`` the same, absolute.
    :param sample: a request in JSON, where no file has one.
    """

    mode: Mode = "score"
    offline: bool = True
    request: Path | None = None
    answer: Path | None = None
    ready_timeout: float = DEFAULT.ready_timeout_seconds
    packages: tuple[str, ...] = ()
    rtol: float = RTOL
    atol: float = ATOL
    sample: bytes | None = None

    def key(self) -> str:
        """Digest of what it asks and expects, as its files are now, and of who asks: another version may ask more.

        Empty where the image has network, and so may do otherwise later, and where a file cannot be read.
        """
        if not self.offline:
            return ""
        try:
            files = [each.read_bytes().hex() if each else None for each in (self.request, self.answer)]
        except OSError:
            return ""
        kind = content_type(self.request) if self.request else None
        sample = self.sample.hex() if self.sample is not None else None
        asked = [self.mode, *files, kind, sample, list(self.packages), self.rtol, self.atol, self.ready_timeout]
        return hashlib.sha256(json.dumps([__version__, *asked]).encode()).hexdigest()

    async def check(self, plan: Plan, image: Image, builder: Builder) -> None:
        """Raise unless the image holds; tell the builder's listener what was seen.

        :raises StartFailed: it does not start, or cannot be imported. :raises ScoreFailed: it answers otherwise.
        :raises DaggerAmlError: it runs as root.
        """
        try:
            await self._check(plan, image, builder)
        except DaggerAmlError as error:
            untried = isinstance(error, TransientError | EngineNotFound | UsageError)
            seen = "the image could not be tested" if untried else "the image failed the test"
            builder.on_event(Message(f"smoke: {seen}, so nothing is published"))
            raise

    async def _check(self, plan: Plan, image: Image, builder: Builder) -> None:
        locate = located(plan.layers)
        if self.mode == "import":
            uid = await _imported(image, builder, locate, offline=self.offline)
            _not_root(uid, plan)
            builder.on_event(Message(f"smoke: the entry script can be imported (init() was not called), uid {uid}"))
            return
        if self.mode == "packages":
            found = await import_packages(image, builder, self.packages, _python)
            _not_root(found.uid, plan)
            absent = f"; not installed here: {', '.join(found.absent)}" if found.absent else ""
            builder.on_event(Message(f"smoke: imported {', '.join(found.imported)}{absent}, uid {found.uid}"))
            return
        limits = self.mode == "restricted"
        how = " and within the limits of a restricted pod" if limits else ""
        builder.on_event(Message(f"smoke: starting the image {self._network(builder)}{how}"))
        async with serve(
            image, builder, offline=self.offline, restricted=limits, locate=locate, ready_timeout=self.ready_timeout
        ) as endpoint:
            _not_root(endpoint.uid, plan)
            said = [f"ready after {endpoint.ready_seconds:.1f} s, uid {endpoint.uid}"]
            body = self.request.read_bytes() if self.request else self.sample
            if body is not None:
                kind = content_type(self.request) if self.request else "application/json"
                scored = await endpoint.score(body, content_type=kind)
                network = builder.runtime().offline if self.offline else ""
                tolerance = Tolerance(self.rtol, self.atol)
                try:
                    compared = await check_answer(scored, endpoint, self.answer, locate, tolerance, network=network)
                except ScoreFailed as error:
                    if not limits:
                        raise
                    raise ScoreFailed(limited(error.cause, list(endpoint.log.lines)), logs=error.logs) from None
                said.append(f"score 200 in {scored.seconds * 1000:.0f} ms")
                said.append(as_expected(compared, tolerance) if compared else "no expected answer to compare with")
            builder.on_event(Message(f"smoke: {', '.join(said)}"))

    def _network(self, builder: Builder) -> str:
        if not self.offline:
            return "with network: it installs packages when it starts"
        return builder.runtime().offline


async def check_answer(
    scored: Scored, endpoint: Endpoint, answer: Path | None, locate: Locate, tolerance: Tolerance, *,
    network: str = "",
) -> Comparison | None:  # fmt: skip
    """Raise unless an answer is 200 and the expected one; None where there is nothing to compare with.

    :param network: how the image was started where it has no network.
    :raises ScoreFailed: with what ``run()`` raised, or the first difference.
    """
    if scored.status != 200:
        raise ScoreFailed(await not_200(scored, endpoint, locate, network=network), logs=endpoint.logs())
    found = compared_with(scored, answer, tolerance)
    if found and found.difference and answer:
        hint = f"If the new answer is right, write it to that file. Numbers are compared with {tolerance} ([score])."
        message = f"the answer differs from the expected one: {found.difference}"
        raise ScoreFailed(Cause(None, message, str(near(answer)), hint, kind="answer"), logs=endpoint.logs())
    return found


async def not_200(scored: Scored, endpoint: Endpoint | None, locate: Locate, *, network: str = "") -> Cause:
    """Why a request was answered otherwise than by 200.

    :param network: how the image was started where it has no network.
    """
    said = f"POST /score gave {scored.status or 'no answer'}"
    lines = await endpoint.settled() if endpoint else []
    failed = scored.status >= 500 or not scored.status
    cause = why_not_scored(lines, locate, network=network) if failed else None
    if cause:
        return Cause(None, f"{said}: {cause.message}", cause.location, cause.hint, cause.shown, cause.kind)
    hint = "" if scored.status or endpoint else "Check that a server is running there. dagger-aml run starts one."
    return Cause(None, f"{said}: {scored.body.strip()[:300]}", hint=hint, kind="answer")


def as_expected(found: Comparison, tolerance: Tolerance, file: str = "") -> str:
    """What to say of an answer that does not differ: also whether that needed the tolerance.

    :param file: the expected answer's, as it is shown behind the word for it.
    """
    said = f"the answer is the expected one{file}"
    if not found.inexact:
        return said
    numbers = "1 number is" if found.inexact == 1 else f"{found.inexact} numbers are"
    return f"{said} within {tolerance}: {numbers} not exactly equal; {found.furthest}"


def compared_with(scored: Scored, answer: Path | None, tolerance: Tolerance) -> Comparison | None:
    """An answer compared with the expected one; None where there is nothing to compare with.

    :raises ProjectError: the file is not JSON.
    """
    if not answer:
        return None
    try:
        return compare_text(scored.body, answer.read_text(encoding="utf-8"), tolerance)
    except ValueError as error:
        raise ProjectError(f"the expected answer is not JSON: {error}", location=str(answer)) from None


def default_smoke(
    project: Project, graph: Graph, asked: Mode | None, *, push: bool, off: bool = False
) -> tuple[Smoke | None, str | None]:
    """The gate of a build, or None, and what to tell the user about that.

    On with ``push`` where the project has a sample request, unless the base is for GPUs or the user says otherwise.

    :raises ProjectError: a gate is asked for, and the project has no code.
    """
    if off or not (asked or push):
        return None, None
    if project.environment_only:
        if asked == "restricted":
            raise ProjectError(
                "has no code to start within the limits of a restricted pod", location=str(project.root),
                hint=f"Use {named('smoke')}, which imports the packages.",
            )  # fmt: skip
        image = catalog.find(project.base.reference)
        if not asked and image and image.gpu:
            return (
                None,
                f"not tested before the push: the base image is for GPUs ({named('smoke')} imports the packages "
                "anyway)",
            )
        return Smoke("packages", packages=required(project)), None
    if not project.serves:
        if asked:
            raise ProjectError("has no code to start", location=str(project.root), hint=f"Remove {named('smoke')}.")
        return None, None
    sample = project.mlflow.sample if project.mlflow and project.request is None else None
    if not asked and not project.request and sample is None:
        saved = ", and no input was saved with its model" if project.mlflow else ""
        return (
            None,
            f"not tested before the push: the project has no sample request, such as request.json{saved} "
            f"({named('smoke')} tests it anyway)",
        )
    image = catalog.find(project.base.reference)
    if not asked and image and image.gpu:
        return (
            None,
            f"not tested before the push: the base image is for GPUs ({named('smoke')} or "
            f"{named('smoke', 'import')} tests it)",
        )
    at_start = {contract.EXTRA_REQUIREMENTS, contract.EXTRA_CONDA_YAML} & set(graph.config.env)
    if asked == "import" and at_start:
        raise ProjectError(
            f"{named('smoke', 'import')} cannot work: packages are installed only when the image starts",
            location=f"recipe {project.recipe}", hint=f"Use {named('smoke')}.",
        )  # fmt: skip
    smoke = Smoke(
        asked or "score", not at_start, project.request, project.answer, rtol=project.rtol, atol=project.atol,
        sample=sample,
    )  # fmt: skip
    return smoke, None


def _not_root(uid: int | None, plan: Plan) -> None:
    number = plan.facts.uid if uid is None and plan.config.user is None else uid
    if number != 0:
        return
    hint = "Do not change the base image's user, or set another one with your own recipe."
    if plan.facts.uid == 0 and plan.config.user is None:
        hint = (
            "The base image's own user is root. Take another base (`dagger-aml images` lists those that serve); if "
            "keep-base keeps this one, leave that out. Or set another user with your own recipe."
        )
    raise DaggerAmlError("the image runs as root", location="smoke", hint=hint)


async def _imported(image: Image, builder: Builder, locate: Locate, *, offline: bool) -> int | None:
    lines, code = await builder.runtime().run_probe(image, _python("-c", _IMPORT), offline=offline)
    if code:
        raise StartFailed(
            why_not_imported(lines, locate, network=builder.runtime().offline if offline else ""),
            logs="\n".join(lines),
        )
    uids = [line.split()[1] for line in lines if line.startswith("dagger-aml-uid ")]
    return int(uids[-1]) if uids else None


def _python(*words: str) -> list[str]:
    """A command that runs the image's Python as its start script does, which finds the environment's libraries."""
    prefix = contract.ENVIRONMENT_PATH
    script = f'export LD_LIBRARY_PATH="${{{prefix}:-}}/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *python_argv(*words)]
