"""Dockerfiles in the place of a base image: those that only name one."""

from __future__ import annotations

import re

from .exceptions import UserErrorException

_FROM = re.compile(r"FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+\S+)?", re.IGNORECASE)


def base_of(text: str) -> str:
    """The image that a Dockerfile names, which does nothing else.

    :raises UserErrorException: it does more.
    """
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith("#")]
    found = _FROM.fullmatch(said[0]) if len(said) == 1 else None
    if found and "$" not in found[1]:
        return found[1]
    raise UserErrorException(
        "what a Dockerfile makes must be built first",
        location="docker.base_dockerfile",
        hint="Save it as Dockerfile, and build it: docker build -t NAME - < Dockerfile\n"
        "Then name the image: docker.base_image = NAME. Debian packages alone can be in the project's apt.txt.",
    )
