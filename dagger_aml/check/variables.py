"""Rules about variables, of the image and of the shell, and about secrets."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding
from ..graph.graph import Graph
from ..graph.stages import secret_ids
from ..project.model import Project
from .rule import rule


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
