"""What a project says of how its build reaches what it installs from: flags, variables, and its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from ..errors import UsageError
from ..graph.access import Access
from ..graph.mount import Secret
from ..network.ca import check_ca
from ..text import expanded
from .file import ProjectFile

Said = Callable[[str, str | None, tuple[str, ...]], str | None]
"""Gives an option's value by precedence: its name, what the file says, the file's key; and notes where it is from."""


_Made = TypeVar("_Made")


_LOOPBACK = ("localhost", "127.", "::1")


def read_access(
    said: Said,
    lists: Mapping[str, tuple[str, ...]],
    file: ProjectFile,
    root: Path,
    sources: dict[str, str],
) -> tuple[Access, tuple[str, ...]]:
    """The access of a project, and notes on what was not taken.

    :param lists: what the repeatable flags ``extra_index_url``, ``find_links`` and ``secret`` say.
    :raises UsageError: a URL with a password, a file of certificates that is none, a malformed secret.
    """
    pip, network = file.tables.pip, file.tables.network
    notes: list[str] = []
    proxies = {}
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        proxies[name] = said(name, getattr(network, name), ("network", name.replace("_", "-")))
        if name != "no_proxy" and _only_here(proxies[name], sources.get(name, "")):
            notes.append(
                f"{sources[name]} names a proxy on this machine, which the build's commands cannot reach; it is not "
                f"passed on. Give it by --{name.replace('_', '-')} if they can."
            )
            proxies[name] = None
            del sources[name]
    ca = said("ca", network.ca, ("network", "ca"))
    path = None
    if ca:
        in_file = not sources["ca"].startswith(("--", "$"))
        path = (root / ca if in_file else expanded(ca)).absolute()
        _checked(sources, partial(check_ca, path))
    urls = {
        name: _listed(name, lists.get(name, ()), in_file, file, sources)
        for name, in_file in (("extra_index_url", pip.extra_index_urls), ("find_links", pip.find_links))
    }
    found = _checked(
        sources,
        lambda: Access(
            index_url=said("index_url", pip.index_url, ("pip", "index-url")),
            extra_index_urls=urls["extra_index_url"],
            find_links=urls["find_links"],
            apt_mirror=said("apt_mirror", network.apt_mirror, ("network", "apt-mirror")),
            ca=path,
            secrets=_secrets(lists.get("secret", ()), file, root, sources),
            **proxies,
        ),
    )
    return found, tuple(notes)


def _checked(sources: Mapping[str, str], make: Callable[[], _Made]) -> _Made:
    """The result of ``make``; an error of its that names a field gets the field's source as its place."""
    try:
        return make()
    except UsageError as error:
        field = (error.where or "").partition(" ")[0].lstrip("-").replace("-", "_")
        error.where = sources.get(field) or sources.get(field.removesuffix("s")) or error.where
        raise


def _listed(
    name: str, flags: tuple[str, ...], in_file: tuple[str, ...], file: ProjectFile, sources: dict[str, str]
) -> tuple[str, ...]:
    """A list by precedence: flags, else the file's."""
    if flags:
        sources[name] = "--" + name.replace("_", "-")
        return flags
    if in_file:
        sources[name] = file.where("pip", "extra-index-urls" if name == "extra_index_url" else "find-links")
    return in_file


def _secrets(flags: tuple[str, ...], file: ProjectFile, root: Path, sources: dict[str, str]) -> tuple[Secret, ...]:
    found: dict[str, Secret] = {}
    for id, text in file.tables.secrets.items():
        where = sources[f"secrets.{id}"] = file.where("secrets", id)
        found[id] = Secret.parse(f"id={id},{text}", where=where, root=root)
    given: set[str] = set()
    for text in flags:
        secret = Secret.parse(text)
        if secret.id in given:
            raise UsageError(f"the secret {secret.id} is given twice", where="--secret")
        given.add(secret.id)
        found[secret.id] = secret
        sources[f"secrets.{secret.id}"] = "--secret"
    return tuple(found.values())


def _only_here(proxy: str | None, source: str) -> bool:
    """Whether a proxy that a variable names is one of this machine alone."""
    if not proxy or not source.startswith("$"):
        return False
    host = urlsplit(proxy if "://" in proxy else f"http://{proxy}").hostname or ""
    return host.startswith(_LOOPBACK)


def check_used(access: Access, mounted: set[str]) -> tuple[str, ...]:
    """Notes on secrets that no step sees.

    :param mounted: ids of the secrets that steps see.
    :raises UsageError: an id that no step knows, with the nearest known one.
    """
    import difflib

    from ..graph.mount import SECRET_IDS

    notes = []
    for secret in access.secrets:
        if secret.id in mounted:
            continue
        if secret.id not in SECRET_IDS:
            near = difflib.get_close_matches(secret.id, SECRET_IDS, 1)
            known = "; ".join(f"{id}: {holds}" for id, holds in SECRET_IDS.items())
            raise UsageError(
                f"no step of this build uses a secret {secret.id!r}",
                where="--secret",
                do=f"Did you mean {near[0]!r}?" if near else f"Known: {known}.",
            )
        notes.append(f"no step of this build uses the secret {secret.id}")
    return tuple(notes)
