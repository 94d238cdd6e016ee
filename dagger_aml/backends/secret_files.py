"""What a build's commands see and no layer holds, as files of this user alone for as long as the build runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field

from ..data import define
from ..graph.access import Access
from ..graph.mount import Mount
from ..text import named, pattern, redact

_CANNOT = pattern(r"Failed to establish|ProxyError|(?:ould not|annot) (?:connect|resolve)|onnection refused")
"""What pip, uv and apt print of a proxy that does not answer."""


@define
class SecretFiles:
    """The values of the mounts of one build, in a folder that is made when the first is asked for.

    :param stack: what removes the folder.
    :param proxies: variables of every command.
    :param sensitive: what must not be seen in output.
    """

    stack: ExitStack
    proxies: dict[str, str] = field(repr=False)
    sensitive: tuple[str, ...] = field(repr=False)
    _folder: Path | None = field(default=None, init=False)

    def path(self, mount: Mount) -> Path:
        """The file of a mount, written when it is first asked for.

        :raises UsageError: the value cannot be read.
        """
        if self._folder is None:
            self._folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="dagger-aml-")))
        path = self._folder / mount.cache_key
        if not path.exists():
            value = mount.value.reveal()
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(value)
        return path

    def redact(self, text: str) -> str:
        """Output without what must not be seen."""
        return redact(text, self.sensitive)

    def proxy_advice(self, output: str) -> str | None:
        """What to do where a command could not reach its proxy; None where its output tells nothing of that."""
        for name in ("https_proxy", "http_proxy"):
            at = urlsplit(self.proxies.get(name, ""))
            places = (f"{at.hostname}:{at.port}", f"host='{at.hostname}', port={at.port}")
            if at.hostname and any(each in output for each in places) and _CANNOT.search(output):
                return (
                    f"The build's commands cannot reach their proxy {at.hostname}:{at.port}. Correct "
                    f"${name.upper()} or {named(name)}, or [network] in the project file. List hosts that need no "
                    f"proxy in {named('no_proxy')}."
                )
        return None


@contextmanager
def secret_files(access: Access) -> Iterator[SecretFiles]:
    """The files of a build, removed when the block ends.

    :raises UsageError: a secret's value cannot be read.
    """
    sensitive = access.sensitive()
    with ExitStack() as stack:
        yield SecretFiles(stack, access.proxies, sensitive)
