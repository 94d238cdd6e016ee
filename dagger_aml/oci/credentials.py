"""Logins of registries, as docker keeps them: its own file of settings, and the helpers that it names."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from ..policy import DEFAULT
from ..text import expanded


def docker_config() -> Path:
    """Docker's own file of settings and logins."""
    return expanded(os.environ.get("DOCKER_CONFIG") or "~/.docker") / "config.json"


def credentials(host: str) -> tuple[str, str]:
    """User and secret for a host from the docker config; empty when there are none."""
    try:
        config = json.loads(docker_config().read_text())
    except (OSError, ValueError):
        return "", ""
    keys = ["https://index.docker.io/v1/", "docker.io"] if host == "docker.io" else [host, f"https://{host}"]
    for key in keys:
        helper = config.get("credHelpers", {}).get(key) or config.get("credsStore")
        if helper:
            found = _ask_helper(helper, key)
            if found:
                return found
        entry = config.get("auths", {}).get(key, {})
        if entry.get("identitytoken"):
            return "<token>", entry["identitytoken"]
        if entry.get("auth"):
            user, _, secret = base64.b64decode(entry["auth"]).decode().partition(":")
            return user, secret
    return "", ""


def _ask_helper(helper: str, host: str) -> tuple[str, str] | None:
    import subprocess

    try:
        answer = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=host,
            capture_output=True,
            text=True,
            timeout=DEFAULT.credential_helper_timeout_seconds,
            check=True,
        )
        found = json.loads(answer.stdout)
        return found["Username"], found["Secret"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
