"""Rules about variables, of the image and of the shell, and about secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from .. import contract
from ..finding import Finding
from ..graph.graph import Graph
from ..graph.stages import secret_ids
from ..project.model import Project
from ..project.setting import as_said
from ..text import named, redact_url
from . import mending
from .facts import Server, Sources, Variable
from .misspelt import meant
from .rule import rule
from .values import misread, why_unreadable


@rule("AML201", "warning")
def misspelt(variables: Mapping[str, Variable], sources: Sources) -> Iterator[Finding]:
    """A variable only looks like one of Azure ML's.

    The server and the images' start script ignore a name that they do not know without a word. Microsoft's own pages
    have such a misspelling, `AZUREML_EXTRA_REQUIRMENTS_TXT`. A wrong prefix is another, such as
    `AZUREML_WORKER_COUNT`, or a wrong case, such as `worker_count`.

    Bad `dagger-aml.toml`:

        [env]
        AZUREML_WORKER_COUNT = "2"

    Good `dagger-aml.toml`:

        [env]
        WORKER_COUNT = "2"

    Silent: names that the code itself has, and the server's settings in any case and with `AML_` before
    them (`AML_SERVICE_NAME`, `service_name`), which it does read.
    """
    nears = {name: meant(name) for name in variables}
    taken = Counter((*variables, *nears.values()))
    own = sources.having(name for name, near in nears.items() if near)
    for name, near in nears.items():
        if near and name not in own:
            each = variables[name]
            yield Finding(
                f"{name} is not a variable of Azure ML's server, which ignores it",
                location=each.location,
                hint=f"Did you mean {near}?",
                # Of two that are meant for one name, nobody can tell which value it should have.
                fixes=mending.key(each.location, name, near) if taken[near] == 1 else (),
            )


@rule("AML202", "warning")
def overwritten(variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """A variable has no effect, since the server sets it itself.

    The server's program sets its ports before it reads them. In Azure ML's images nginx listens at 5001, whatever is
    said.

    Bad `dagger-aml.toml`:

        [env]
        SERVER_PORT = "8080"

    Good `shell`:

        dagger-aml run -p 8080

    Silent: `SERVER_PORT` of 5001, which is what holds anyway, and all that the server does read.
    """
    for name, why in contract.OVERWRITTEN.items():
        if name in variables and (name, variables[name].value) != ("SERVER_PORT", str(contract.SCORING_PORT)):
            yield Finding(
                f"{name} has no effect: {why}, whatever this variable says",
                location=variables[name].location,
                hint=f"Remove it. The image answers at {contract.SCORING_PORT}; publish that at the port you want.",
            )


@rule("AML203", "error")
def unreadable(variables: Mapping[str, Variable], server: Server) -> Iterator[Finding]:
    """A variable has a value with which the server does not start.

    Numbers must be whole numbers, and `WORKER_COUNT` at least 1: with `auto` the server ends at once, with 0 it
    listens and never answers.

    Bad `dagger-aml.toml`:

        [env]
        WORKER_COUNT = "auto"

    Good `dagger-aml.toml`:

        [env]
        WORKER_COUNT = "4"

    Silent: an image without code, or with a command of its own. A warning on a base that is not Azure ML's, whose
    server may be another.
    """
    if server == "another":
        return
    for name, each in variables.items():
        why = why_unreadable(name, each.value)
        if why:
            yield Finding(
                f"{name} is {each.value!r}, {why[0]}",
                location=each.location,
                hint=why[1],
                sure=server == "azureml",
            )


@rule("AML204", "warning")
def misread_value(variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """A variable has a value that the server takes for no.

    Some switches count only as `true` in small letters; `1`, `yes` and `True` switch off.

    Bad `dagger-aml.toml`:

        [env]
        AML_APP_INSIGHTS_ENABLED = "True"

    Good `dagger-aml.toml`:

        [env]
        AML_APP_INSIGHTS_ENABLED = "true"

    Silent: `true`, and all that says no.
    """
    for name, each in variables.items():
        if misread(name, each.value):
            yield Finding(
                f"{name} is {each.value!r}, which the server takes for no",
                location=each.location,
                hint=f'Write {name} = "true".',
                fixes=mending.value(each.location, name, each.value, "true"),
            )


@rule("AML205", "warning")
def waits_for_a_debugger(variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """The image waits for a debugger at each start.

    With AZUREML_DEBUG_PORT the server connects to a debugger before it loads the entry script, and does not start
    without one. In an image that is a trap: it works on the desk, and hangs in production.

    Bad `dagger-aml.toml`:

        [env]
        AZUREML_DEBUG_PORT = "5678"

    Good `shell`:

        dagger-aml run --debug

    Silent: where the image does not set the variable.
    """
    if contract.DEBUG_PORT in variables:
        yield Finding(
            f"the image sets {contract.DEBUG_PORT}, so its server waits for a debugger at each start",
            location=variables[contract.DEBUG_PORT].location,
            hint="Remove it; `dagger-aml run --debug` sets it for one run.",
        )


@rule("AML206", "warning")
def variable_beats_file(project: Project) -> Iterator[Finding]:
    """A variable of the shell holds in place of the project file.

    A variable that is left over in a shell or a pipeline decides for every project that is built there, whatever
    their files say.

    Bad `shell`:

        export DAGGER_AML_BASE=example.org/try-out:1   # and dagger-aml.toml says base = "minimal-py312-inference"

    Good `shell`:

        dagger-aml build --base example.org/try-out:1

    Silent: where both say the same, where the file says nothing, and where a flag decides.
    """
    for each in project.notes.beaten:
        holds, beats = (redact_url(as_said(said.value)) for said in (each.holds, each.beats))
        yield Finding(
            f"{each.holds.origin} is {holds!r}, and holds in place of {beats!r} in {each.beats.origin}",
            location=each.holds.origin.location,
            hint=f"Unset it, or say it for this call with {named(each.setting)}.",
        )


@rule("AML207", "warning")
def another_app_root(project: Project, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """AML_APP_ROOT names another folder than the one that holds the code.

    The server changes to that folder and looks for the entry script there.

    Bad `dagger-aml.toml`:

        [env]
        AML_APP_ROOT = "/app"

    Good `dagger-aml.toml`:

        [code]
        path = "app"

    Silent: `/var/azureml-app`, where the code is, and folders in it; an image without code.
    """
    found = variables.get(contract.APP)
    if found is None or project.code is None:
        return
    value = found.value.rstrip("/")
    if value != contract.APP_ROOT and not value.startswith(f"{contract.APP_ROOT}/"):
        yield Finding(
            f"{contract.APP} is {found.value!r}, but the code is in {contract.APP_ROOT}: the server will not find "
            f"{project.entry_script}",
            location=found.location,
            hint="Remove it.",
        )


@rule("AML208", "warning")
def proxy_of_this_machine(project: Project) -> Iterator[Finding]:
    """A proxy variable names a proxy that only this machine reaches.

    The build's commands run elsewhere, and `localhost` there is not this machine. So the proxy is not passed to them.

    Bad `shell`:

        HTTPS_PROXY=http://127.0.0.1:3128 dagger-aml build

    Good `shell`:

        HTTPS_PROXY=http://proxy.example.com:3128 dagger-aml build

    Silent: a proxy that a flag or the project file names, whatever its host, and `NO_PROXY`.
    """
    for name, said in project.notes.proxies_here.items():
        yield Finding(
            "points to a proxy on this machine, which the build's commands cannot reach, so it is not passed to them",
            location=str(said.origin),
            hint=f"If they can reach it, set it with --{name.replace('_', '-')}.",
        )


@rule("AML209", "warning")
def unused_secret(graph: Graph) -> Iterator[Finding]:
    """A secret is given that no step of the build uses.

    The secret is in no danger, but what it was meant for will be installed without it, or is not installed at all.

    Bad `shell`:

        dagger-aml build --secret id=apt,env=APT_LOGIN   # and no apt packages

    Good `shell`:

        dagger-aml build --apt libgomp1 --secret id=apt,env=APT_LOGIN

    Silent: a secret that a command sees, also one of a stage or of your own recipe's. An id that nobody knows is an
    error.
    """
    mounted = secret_ids(graph)
    for secret in graph.access.secrets:
        if secret.id not in mounted:
            yield Finding(f"no step of this build uses the secret {secret.id}", hint="Remove it, or check its id.")
