"""What surrounds the builders: disk, registry logins, proxies, certificates, versions."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import ssl
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DaggerAmlError
from ..fs.disk_space import temporary_folder
from ..oci.credentials import docker_config
from ..process import run
from ..text import human_size, named, redact_url
from ..version import __version__
from .check import Check

_LITTLE = 5_000_000_000
"""Bytes: less than this does not hold one of the prebuilt images and its tar."""

_DOCKER_HUB = "https://index.docker.io/v1/"


def versions() -> dict[str, str]:
    """Of what matters in a report of a fault."""
    return {
        "dagger-aml": __version__,
        "python": platform.python_version(),
        "dagger-io": version_of("dagger-io"),
        "platform": f"{platform.system()} {platform.machine()}",
    }


# --- disk ---------------------------------------------------------------------------------------------------------


async def disk() -> tuple[Check, ...]:
    """Room for contexts, tars and temporary files; that of a store is told with its builder."""
    return (
        _room("temporary files", str(temporary_folder()), "Set TMPDIR to a folder with more room."),
        _room("this folder", str(Path.cwd()), f"Write tars and contexts elsewhere: {named('output', 'FOLDER')}."),
    )


def _room(name: str, path: str, hint: str) -> Check:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        nothing = {"path": path, "free": None, "total": None}
        return Check("disk", name, "missing", f"{path}: {error.strerror}", hint, nothing)
    facts = {"path": path, "free": usage.free, "total": usage.total}
    says = f"{path}: {human_size(usage.free)} of {human_size(usage.total)} free"
    if not os.access(path, os.W_OK):
        return Check("disk", name, "missing", f"{path} cannot be written to", hint, facts)
    little = usage.free < _LITTLE
    return Check("disk", name, "warning" if little else "ok", says, hint if little else None, facts)


# --- logins -------------------------------------------------------------------------------------------------------


async def logins() -> tuple[Check, ...]:
    """The registries that the docker config knows a login for; what the login is never leaves the file."""
    path = docker_config()
    hint = "For a push or a private base: docker login HOST, or az acr login -n NAME."
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return (Check("logins", "none", "warning", f"{path} does not exist", hint, _login_facts()),)
    except OSError as error:
        return (Check("logins", "none", "missing", f"{path}: {error.strerror}", hint, _login_facts()),)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        return (Check("logins", "none", "missing", f"{path} is not a JSON object", "Log in again.", _login_facts()),)
    found = await _helped(config)
    for host, entry in _table(config, "auths").items():
        if isinstance(entry, dict) and (entry.get("auth") or entry.get("identitytoken")):
            found.setdefault(_host(host), _login(host, None, f"a login in {path}"))
    return tuple(found.values()) or (
        Check("logins", "none", "warning", f"{path} has no login", hint, _login_facts()),
    )


async def _helped(config: dict[str, Any]) -> dict[str, Check]:
    """What the credential helpers of a docker config know, by host."""
    found: dict[str, Check] = {}
    for host, helper in _table(config, "credHelpers").items():
        there = shutil.which(f"docker-credential-{helper}")
        found[_host(host)] = (
            _login(host, helper, f"from docker-credential-{helper}") if there else _gone(host, helper)
        )
    store = config.get("credsStore")
    if not isinstance(store, str):
        return found
    if not shutil.which(f"docker-credential-{store}"):
        return {**found, "every other host": _gone("every other host", store)}
    try:
        asked = await run([f"docker-credential-{store}", "list"])
        hosts = list(json.loads(asked.out)) if not asked.code else []
    except (DaggerAmlError, ValueError):
        hosts = []
    for host in hosts:
        found.setdefault(_host(host), _login(host, store, f"from docker-credential-{store}"))
    return found


def _table(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _login(host: str, helper: str | None, says: str) -> Check:
    return Check("logins", _host(host), "ok", says, None, _login_facts(helper))


def _gone(host: str, helper: str) -> Check:
    hint = f"Install docker-credential-{helper}, or remove it from the docker config and log in again."
    says = f"docker-credential-{helper} is not on PATH, so no login is found"
    return Check("logins", _host(host), "missing", says, hint, _login_facts(helper))


def _login_facts(helper: str | None = None) -> dict[str, Any]:
    return {"helper": helper}


def _host(key: str) -> str:
    """A registry's host as references name it."""
    if key == _DOCKER_HUB:
        return "docker.io"
    return redact_url(re.sub(r"^https?://", "", key)).rstrip("/")


# --- proxies ------------------------------------------------------------------------------------------------------


async def proxies() -> tuple[Check, ...]:
    """The proxy variables that are set, passwords hidden."""
    names = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")]
    return tuple(_proxy(name, os.environ[name]) for name in sorted(names) if os.environ[name])


def _proxy(name: str, value: str) -> Check:
    shown = redact_url(value)
    if name.lower() == "no_proxy":
        return Check("proxies", name, "ok", value, None, {"value": value, "loopback": None})
    loopback = _is_loopback(shown)
    facts = {"value": shown, "loopback": loopback}
    if name.lower() == "all_proxy":
        return Check("proxies", name, "ok", f"{shown}, which `build` does not pass to its steps", None, facts)
    if not loopback:
        return Check("proxies", name, "ok", shown, None, facts)
    hint = f"Give `build` an address that a container can reach: --{name.lower().replace('_', '-')} URL."
    says = f"{shown} works only on this machine: a build step has its own network and cannot reach it"
    return Check("proxies", name, "warning", says, hint, facts)


def _is_loopback(value: str) -> bool:
    url = value if "://" in value else f"http://{value}"
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "::1", "0.0.0.0") or host.endswith(".localhost") or host.startswith("127.")


# --- certificates -------------------------------------------------------------------------------------------------


async def certificates() -> tuple[Check, ...]:
    """Where programs of this machine find the authorities that they trust."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
    set_ = [_trusted(name, f"${name}", os.environ[name]) for name in names if os.environ.get(name)]
    default = ssl.get_default_verify_paths()
    system = default.openssl_cafile if Path(default.openssl_cafile).exists() else default.openssl_capath
    own = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    return (*set_, _trusted("system", "the system's", system), *(() if own else (_certifi(),)))


def _trusted(name: str, shown: str, path: str) -> Check:
    facts: dict[str, Any] = {"path": path, "certificates": None}
    place = Path(path)
    try:
        if place.is_dir():
            facts["certificates"] = len(list(place.iterdir()))
        else:
            facts["certificates"] = place.read_text(errors="replace").count("-----BEGIN CERTIFICATE-----")
    except OSError as error:
        hint = "Install ca-certificates." if name == "system" else f"Set {name} to an existing file, or unset it."
        return Check("certificates", name, "missing", f"{shown} {path}: {error.strerror}", hint, facts)
    if not facts["certificates"]:
        return Check("certificates", name, "missing", f"{path} holds no certificate", None, facts)
    return Check("certificates", name, "ok", f"{path}, {facts['certificates']} certificates", None, facts)


def _certifi() -> Check:
    """What dagger-aml itself trusts when it asks a registry, unless a variable says otherwise."""
    import certifi

    found = _trusted("dagger-aml", "certifi's", certifi.where())
    hint = (
        "For your company's own CA, set SSL_CERT_FILE to a bundle that contains it. For build steps, use "
        f"{named('ca', 'FILE')}."
    )
    return Check(
        "certificates", "dagger-aml", found.state, f"{found.says}, used for requests to registries", hint, found.facts
    )
