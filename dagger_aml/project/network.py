"""What a project says of how its build reaches what it installs from: flags, variables, and its file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..graph.access import Access
from ..text import expanded, named
from .merge import Reading, beside, listed, maybe
from .origin import Origin, Rank, Stated, located

if TYPE_CHECKING:
    from ..graph.mount import Secret

_LOOPBACK = ("localhost", "127.", "::1")


def read_access(reading: Reading) -> Access:
    """The access of a project; what is not taken stands in its notes.

    :raises UsageError: a URL with a password, a file of certificates that is none, a malformed secret.
    """
    proxies = {name: _proxy(reading, name) for name in ("http_proxy", "https_proxy", "no_proxy")}
    ca = _ca(reading)
    extra, links = listed(reading, "extra_index_url"), listed(reading, "find_links")
    index, mirror = maybe(reading, "index_url"), maybe(reading, "apt_mirror")
    secrets = _secrets(reading)
    _check(reading, "index_url", index_url=index)
    _check(reading, "extra_index_url", extra_index_urls=extra)
    _check(reading, "find_links", find_links=links)
    _check(reading, "apt_mirror", apt_mirror=mirror)
    for name, value in proxies.items():
        _check(reading, name, **{name: value})
    return Access(
        index_url=index,
        extra_index_urls=extra,
        find_links=links,
        apt_mirror=mirror,
        ca=ca,
        secrets=secrets,
        **proxies,
    )


def _check(reading: Reading, name: str, **fields: Any) -> None:
    """Let one field be checked alone, so that an error of it is known to be the setting's."""
    with located(reading.origins.get(name), always=True):
        Access(**fields)


def _proxy(reading: Reading, name: str) -> str | None:
    value = maybe(reading, name)
    if value is None or name == "no_proxy" or not _only_here(value, reading.origins[name]):
        return value
    reading.notes.proxies_here[name] = Stated(value, reading.origins.pop(name))
    return None


def _ca(reading: Reading) -> Path | None:
    ca = maybe(reading, "ca")
    if ca is None:
        return None
    from ..network.ca import check_ca

    origin = reading.origins["ca"]
    path = (beside(reading.root, ca) if origin.rank is Rank.FILE else expanded(ca)).absolute()
    with located(origin, always=True):
        check_ca(path)
    return path


def _secrets(reading: Reading) -> tuple[Secret, ...]:
    if not (reading.file.tables.secrets or reading.options.secret):
        return ()
    from ..graph.mount import Secret

    found: dict[str, Secret] = {}
    for id, text in reading.file.tables.secrets.items():
        origin = reading.origins[f"secrets.{id}"] = reading.file.origin("secrets", id)
        found[id] = Secret.parse(f"id={id},{text}", location=origin.location, root=reading.root)
    given: set[str] = set()
    for each in reading.options.secret:
        secret = each if isinstance(each, Secret) else Secret.parse(each)
        if secret.id in given:
            raise UsageError(f"the secret {secret.id} is given twice", location=named("secret"))
        given.add(secret.id)
        found[secret.id] = secret
        reading.origins[f"secrets.{secret.id}"] = Origin(Rank.FLAG, setting="secret")
    return tuple(found.values())


def _only_here(proxy: str, origin: Origin) -> bool:
    """Whether a proxy that a variable names is one of this machine alone."""
    if origin.rank is not Rank.VARIABLE:
        return False
    from urllib.parse import urlsplit

    try:
        host = urlsplit(proxy if "://" in proxy else f"http://{proxy}").hostname or ""
    except ValueError:
        # No URL at all: whoever uses the proxy says so.
        return False
    return host.startswith(_LOOPBACK)


def check_secrets(access: Access, mounted: Collection[str]) -> None:
    """Refuse a secret whose id no step knows, naming the nearest known one.

    :param mounted: ids of the secrets that steps see, those of a recipe's own steps too.
    :raises UsageError: there is one.
    """
    if not access.secrets:
        return
    from ..graph.mount import SECRET_IDS

    for secret in access.secrets:
        if secret.id not in mounted and secret.id not in SECRET_IDS:
            import difflib

            near = difflib.get_close_matches(secret.id, SECRET_IDS, 1)
            known = "; ".join(f"{id}: {holds}" for id, holds in SECRET_IDS.items())
            raise UsageError(
                f"no step of this build uses a secret {secret.id!r}",
                location=named("secret"),
                hint=f"Did you mean {near[0]!r}?" if near else f"Known: {known}.",
            )
