"""What builders leave in an image that nobody asked for: the one list of differences that are not counted.

At most fifteen entries, each found in a real run. An entry is as narrow as it can be, and names the builders that
leave it, so that it does not hide a difference between two others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from typing import Literal

from attrs import field

from ..data import frozen

LONGEST = 15

_CONTENT = {"size", "sha256"}


@frozen
class Noise:
    """One kind of difference that is allowed.

    :param pattern: of paths and of ``config …`` names, as fnmatch takes it (``*`` also matches ``/``).
    :param may: ``content``: the bytes of a file may differ; ``presence``: one image may lack it; ``any``: anything.
    :param builders: in comparisons with an image of one of these.
    """

    pattern: str
    may: Literal["content", "presence", "any"]
    builders: frozenset[str]
    reason: str = field(eq=False)

    def allows(self, subject: str, fields: Mapping[str, object]) -> bool:
        """Whether a difference in these fields of a path, or of a thing that the config says, is this noise."""
        if not re.match(translate(self.pattern), subject):
            return False
        if self.may == "content":
            return fields.keys() <= _CONTENT
        return self.may == "any" or fields.keys() == {"presence"}


NOISE: tuple[Noise, ...] = (
    Noise(
        "config label io.buildah.version",
        "presence",
        frozenset({"buildah", "podman"}),
        "buildah and podman note their version in each image they build",
    ),
    Noise(
        "config label io.dagger-aml.direct",
        "any",
        frozenset({"direct"}),
        "an image that dagger-aml writes itself tells what lies beneath its files",
    ),
)
