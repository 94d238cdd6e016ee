"""Settings of pip and uv and their logins, written from a build's access."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from ..errors import UsageError
from ..graph.access import Access
from ..text import named, pattern


def package_sources(access: Access) -> dict[str, list[str]]:
    """pip's settings of where packages come from: the secret's, and over them what was said in the open.

    :raises UsageError: the secret is neither a pip.conf nor a URL.
    """
    found: dict[str, list[str]] = {}
    secret = access.secret("pip")
    if secret:
        found = _from_secret(secret.reveal().decode("utf-8", "replace").strip())
    if access.index_url and not _same_place(access.index_url, found.get("index-url", [])):
        found["index-url"] = [access.index_url]
    for name, urls in (("extra-index-url", access.extra_index_urls), ("find-links", access.find_links)):
        found[name] = found.get(name, []) + [url for url in urls if not _same_place(url, found.get(name, []))]
    return {name: urls for name, urls in found.items() if urls}


def _from_secret(text: str) -> dict[str, list[str]]:
    if re.match(r"https?://\S+\Z", text):
        return {"index-url": [text]}
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        parser = configparser.RawConfigParser()
    if not parser.sections():
        raise UsageError(
            "the secret pip is neither a pip.conf ([global] index-url = …) nor an index URL",
            location=named("secret", "id=pip"),
        )
    found: dict[str, list[str]] = {}
    for section in ("global", "install"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            if name.replace("_", "-") in ("index-url", "extra-index-url", "find-links", "trusted-host"):
                found[name.replace("_", "-")] = value.split()
    return found


def _same_place(url: str, urls: Iterable[str]) -> bool:
    """Whether one of the secret's URLs is this one with a login."""
    return any(re.sub(r"://[^/@]*@", "://", each).rstrip("/") == url.rstrip("/") for each in urls)


def pip_conf(access: Access) -> str:
    """The pip.conf that a pip command sees."""
    lines = [f"{name} = " + "\n    ".join(urls) for name, urls in package_sources(access).items()]
    return "\n".join(["[global]", *lines]) + "\n"


def uv_toml(access: Access) -> str:
    """The uv.toml that a uv command sees."""
    import json

    said = package_sources(access)
    lines = [f"find-links = {json.dumps(said['find-links'])}"] if "find-links" in said else []
    lines += [f"allow-insecure-host = {json.dumps(said['trusted-host'])}"] if "trusted-host" in said else []
    for url in said.get("extra-index-url", []):
        lines += ["[[index]]", f"url = {json.dumps(url)}"]
    for url in said.get("index-url", []):
        lines += ["[[index]]", f"url = {json.dumps(url)}", "default = true"]
    return "\n".join(lines) + "\n"


_AZURE = pattern(r"(?:[a-z0-9-]+\.)*(?:dev\.azure\.com|visualstudio\.com)\Z")


def netrc(access: Access) -> str:
    """The logins of a build's indexes as a .netrc file.

    :raises UsageError: a token for Azure Artifacts, and no index there.
    """
    own, token = access.secret("netrc"), access.secret("azure-artifacts")
    lines = [own.reveal().decode("utf-8", "replace").rstrip("\n")] if own else []
    if token:
        urls = (*([access.index_url] if access.index_url else []), *access.extra_index_urls, *access.find_links)
        hosts = {host for url in urls if _AZURE.match(host := urlsplit(url).hostname or "")}
        if not hosts:
            raise UsageError(
                "no index is an Azure Artifacts feed",
                location=named("secret", "id=azure-artifacts"),
                hint="Name the feed: "
                f"{named('index_url', 'https://pkgs.dev.azure.com/ORGANIZATION/_packaging/FEED/pypi/simple/')}",
            )
        password = token.reveal().decode("utf-8", "replace").strip()
        lines += [f"machine {host} login azure-artifacts password {password}" for host in sorted(hosts)]
    return "\n".join(lines) + "\n"
