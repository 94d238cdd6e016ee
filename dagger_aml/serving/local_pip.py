"""Commands of pip and uv on this machine, which see what the commands of a build see, and nothing else of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..backends.secret_files import SecretFiles
from ..data import frozen
from ..errors import BuildError
from ..events import Message, OnEvent, Output
from ..graph.access import Access
from ..network.mounts import pip_mounts, uv_mounts
from ..process import run
from ..steps.installer import UV_VERSION
from ..text import named

_OF_SOURCES = frozenset(
    {"PIP_INDEX_URL", "PIP_PYPI_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST"}
    | {"PIP_CONFIG_FILE", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"}
    | {"UV_NO_INDEX", "UV_INSECURE_HOST", "UV_INDEX_STRATEGY", "UV_CONFIG_FILE"}
)
"""Variables that say where packages come from."""

_OF_LINES = frozenset(
    {"PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT", "PIP_TIMEOUT", "PIP_RETRIES", "PIP_CACHE_DIR"}
    | {"PIP_KEYRING_PROVIDER", "UV_HTTP_TIMEOUT", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_CACHE_DIR"}
)
"""Variables that say how this machine reaches an index; no other of pip's and uv's counts."""

_OURS: Mapping[str, str | None] = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_USER": "0",
    "PYTHONPATH": None,
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}


def says_sources(access: Access) -> bool:
    """Whether a project says where packages come from."""
    return bool(access.indexes or access.secret("pip"))


def holders(access: Access) -> Iterator[str]:
    """Variables of this process that hold a secret: nothing that is started sees them."""
    values = {secret.reveal() for secret in access.secrets}
    yield from (name for name, value in os.environ.items() if os.fsencode(value) in values)


@frozen
class LocalPip:
    """pip of a virtual environment.

    :param python: of the environment.
    :param folder: a throw-away folder, where commands run and uv is put.
    :param files: what the commands see, as files of this user alone.
    """

    python: str
    folder: Path
    access: Access
    files: SecretFiles
    on_event: OnEvent

    @property
    def pip(self) -> list[str]:
        """-I: it runs in the folder of the requirements, whose modules must not stand in for pip's own."""
        return [self.python, "-I", "-m", "pip"]

    async def uv(self) -> list[str]:
        """Install uv where nothing else sees it, as the build does.

        :raises BuildError: it cannot be installed.
        """
        target = str(self.folder / "uv")
        words = ["--quiet", "--no-deps", "--no-compile", "--only-binary", ":all:", "--target", target]
        await self.run([*self.pip, "install", *words, f"uv=={UV_VERSION}"], "uv cannot be installed here")
        return [str(Path(target) / "bin" / "uv"), "pip"]

    async def run(self, argv: list[str], failed: str, *, cwd: Path | None = None, hint: str | None = None) -> None:
        """Run a command to its end.

        :param failed: what to say if it fails.
        :raises BuildError: it fails.
        """
        lines: list[str] = []

        def said(line: str) -> None:
            lines.append(self.files.redact(line))
            self.on_event(Output(lines[-1]))

        done = await run(argv, on_line=said, env=self._env(), cwd=cwd or self.folder)
        if done.code:
            output = "\n".join(lines)
            hint = self.files.proxy_advice(output) or hint
            raise BuildError(failed, location=named("local"), command=tuple(argv), output=output, hint=hint)

    async def tell_own_settings(self) -> None:
        """Tell which settings of this machine decide where pip looks, if the project says nothing of that."""
        if says_sources(self.access):
            return
        done = await run([*self.pip, "config", "list"], env=self._env(), cwd=self.folder)
        names = [line.partition("=")[0].rpartition(".")[2] for line in done.out.splitlines()]
        found = sorted({name for name in names if name in ("index-url", "extra-index-url", "find-links", "no-index")})
        if found:
            self.on_event(
                Message(
                    f"the project names no package index, so pip uses this machine's settings ({', '.join(found)}); "
                    "the image's build does not see them"
                )
            )

    async def check(self) -> None:
        """Tell what ``pip check`` finds."""
        done = await run([*self.pip, "check"], env=self._env(), cwd=self.folder)
        if done.code:
            found = "; ".join(done.out.splitlines())
            self.on_event(Message(f"packages conflict, so the image's build is likely to fail at pip check: {found}"))

    def _env(self) -> dict[str, str | None]:
        kept = _OF_LINES if says_sources(self.access) else _OF_LINES | _OF_SOURCES
        env: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith(("PIP_", "UV_")) and name not in kept
        }
        env.update({**_OURS, **dict.fromkeys(holders(self.access)), **self.access.proxies})
        if self.access.http_proxy or self.access.https_proxy:
            env["PIP_PROXY"] = None
        for mount in (*uv_mounts(self.access), *pip_mounts(self.access, alone=True)):
            env.update(dict.fromkeys(mount.variables, str(self.files.path(mount))))
        return env
