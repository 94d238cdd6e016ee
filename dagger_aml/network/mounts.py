"""The files by which a build's commands see settings, logins and certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..errors import UsageError
from ..graph.access import Access
from ..graph.mount import SECRET_IDS, Mount, Secret
from ..text import named
from .alone import netrc_alone, pip_conf_alone
from .ca import ca_bundle
from .pip_conf import netrc, pip_conf, uv_toml

_PLACE = "/run/dagger-aml."
"""In a folder that every base has, so that no builder leaves one behind."""


_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")


def pip_mounts(access: Access, *, alone: bool = False) -> tuple[Mount, ...]:
    """The files that a pip command sees: its settings, its indexes' logins, the CAs; none if nothing is said.

    :param alone: for a pip on this machine, which must take nothing of the machine's own settings.
    """
    make, logins = (pip_conf_alone, netrc_alone) if alone else (pip_conf, netrc)
    ids = ("netrc", "azure-artifacts", "pip") if alone else ("netrc", "azure-artifacts")
    return (
        *_settings(access, "pip", "PIP_CONFIG_FILE", make),
        *_logins(access, ids, logins),
        *ca_mounts(access),
    )


def uv_mounts(access: Access) -> tuple[Mount, ...]:
    """The same for a uv command."""
    logins = _logins(access, ("netrc", "azure-artifacts"), netrc)
    return (*_settings(access, "uv", "UV_CONFIG_FILE", uv_toml), *logins, *ca_mounts(access))


def apt_mounts(access: Access) -> tuple[Mount, ...]:
    """The files that an apt command sees: an apt.conf for logins and CAs, and the mirror's URL."""
    found: list[Mount] = []
    secret = access.secret("apt")
    if access.apt_mirror:
        value = Secret.of("apt-mirror", access.apt_mirror + "\n")
        holds = "one line, the URL of the apt mirror"
        found.append(Mount("apt-mirror", APT_MIRROR, value, access.apt_mirror, mode=0o444, holds=holds))
    if secret:
        found.append(Mount("apt", f"{_PLACE}apt-auth", secret, holds=SECRET_IDS["apt"], secrets=("apt",)))
    if secret or access.ca:
        lines = [f'Dir::Etc::netrc "{_PLACE}apt-auth";'] if secret else []
        lines += [f'Acquire::https::CAInfo "{_PLACE}ca";'] if access.ca else []
        conf, holds = Secret.of("apt-conf", "\n".join(lines) + "\n"), "an apt.conf: " + " ".join(lines)
        path = f"{_PLACE}apt-conf"
        found.append(Mount("apt-conf", path, conf, variables=("APT_CONFIG",), mode=0o444, holds=holds))
    return (*found, *ca_mounts(access))


APT_MIRROR: Final = f"{_PLACE}apt-mirror"


def secret_mount(access: Access, id: str, *, variable: str = "") -> Mount:
    """The file that a command of a recipe's own sees: the secret of an id, in ``/run/dagger-aml.ID``.

    :param variable: of the command, set to that path.
    :raises UsageError: the secret was not given.
    """
    secret = access.secret(id)
    if secret is None:
        raise UsageError(
            f"the recipe needs the secret {id}",
            location=named("secret"),
            hint=f"Give it: {named('secret', f'id={id},env=NAME')} or src=FILE.",
        )
    variables = (variable,) if variable else ()
    return Mount(id, f"{_PLACE}{id}", secret, variables=variables, holds=f"the secret {id}", secrets=(id,))


def ca_mounts(access: Access) -> tuple[Mount, ...]:
    """The certificates to trust, for any command: certifi's and the file's in one bundle."""
    path = access.ca
    if path is None:
        return ()
    value, holds = Secret("ca", lambda: ca_bundle(path)), "certificates in PEM format, including the public ones"
    return (Mount("ca", f"{_PLACE}ca", value, variables=_CA_VARIABLES, mode=0o444, holds=holds),)


def _settings(access: Access, id: str, variable: str, make: Callable[[Access], str]) -> tuple[Mount, ...]:
    secrets = ("pip",) if access.secret("pip") else ()
    if not access.indexes and not secrets:
        return ()
    value, holds = Secret(id, lambda: make(access).encode()), {"pip": "a pip.conf", "uv": "a uv.toml"}[id]
    if access.indexes:
        holds += f": {', '.join(access.indexes)}"
    return (
        Mount(
            id,
            f"{_PLACE}{id}",
            value,
            variables=(variable,),
            holds=holds,
            secrets=secrets,
            sources=access.sources,
        ),
    )


def _logins(access: Access, ids: tuple[str, ...], make: Callable[[Access], str]) -> tuple[Mount, ...]:
    given = [id for id in ids if access.secret(id)]
    if not given:
        return ()
    value, holds = Secret("netrc", lambda: make(access).encode()), "a .netrc with the indexes' logins"
    return (Mount("netrc", f"{_PLACE}netrc", value, variables=("NETRC",), holds=holds, secrets=given),)
