"""Facts of a base with what else of its paths is settled, so that one reading of it answers later questions too."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from attrs import evolve, field

from ..data import frozen
from .facts import BaseFacts, PathFact

_MOST_LINKS = 40

_FOLDER = PathFact("dir")

_MOUNTED = (
    *("/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/.dockerenv"),
    *("/run/.containerenv", "/run/secrets"),
)
"""Where a container has something that its image has not."""


def only_in_containers(path: str, volumes: Iterable[str], *, there: bool) -> str | None:
    """What makes a path another one in a container than in its image, where something does.

    :param volumes: of the image's config.
    :param there: whether something lies at the path in the image.
    """
    for special in _MOUNTED:
        if f"{path}/".startswith(f"{special}/") or (not there and f"{special}/".startswith(f"{path}/")):
            return special
    made = (posixpath.normpath(each) for each in volumes)
    return next((each for each in made if not there and f"{each}/".startswith(f"{path}/")), None)


@frozen
class KnownFacts:
    """What was found out about one base.

    :param facts: whose ``paths`` are all that were asked for and are there.
    :param asked: all paths that were asked for; what is not in the facts' does not exist.
    :param listed: some folders of the base, by their real path, each with every name in it. A file that a project
        gets anew has a path that nobody asked for; that nothing lies there is known by its folder.
    """

    facts: BaseFacts
    asked: frozenset[str]
    listed: Mapping[str, frozenset[str]] = field(factory=dict)

    @property
    def tells_packages(self) -> bool:
        """Whether all is known that packages as files are held against; of a base without Python that is nothing."""
        facts = self.facts
        return facts.environment is None or (bool(facts.full_python) and facts.distributions is not None)

    def for_paths(self, paths: Iterable[str], *, packages: bool = False) -> BaseFacts | None:
        """The facts as if just these paths were asked for; None where one of them is not settled.

        :param packages: whether what packages as files are held against must be known too.
        """
        if packages and not self.tells_packages:
            return None
        found = {}
        for path in paths:
            fact = self._fact(path)
            if isinstance(fact, _Unknown):
                return None
            if path not in self.asked and only_in_containers(path, self.facts.volumes or (), there=bool(fact)):
                return None
            if fact:
                found[path] = fact
        return evolve(self.facts, paths=found)

    def shortened(self) -> KnownFacts:
        """The same without packages, and without what listed folders tell anyway: of new files, nothing."""
        bare = KnownFacts(self.facts, frozenset(self.facts.paths), self.listed)
        asked = (path for path in self.asked if path in self.facts.paths or bare._fact(path) is not None)
        return evolve(self, facts=evolve(self.facts, distributions=None), asked=frozenset(asked))

    def merged(self, other: KnownFacts) -> KnownFacts:
        """With what another reading of the same base found out."""
        paths = {**self.facts.paths, **other.facts.paths}
        listed = {**self.listed, **other.listed}
        facts = evolve(
            other.facts,
            paths=paths,
            full_python=other.facts.full_python or self.facts.full_python,
            glibc=other.facts.glibc or self.facts.glibc,
            distributions=self.facts.distributions
            if other.facts.distributions is None
            else other.facts.distributions,
        )
        return KnownFacts(facts, self.asked | other.asked, listed)

    def _fact(self, path: str) -> PathFact | _Unknown | None:
        """What lies at a path, None for nothing."""
        for _ in range(_MOST_LINKS):
            if path in self.asked:
                return self.facts.paths.get(path)
            below, folder = path, posixpath.dirname(path)
            while folder != "/" and folder not in self.asked and folder not in self.listed:
                below, folder = folder, posixpath.dirname(folder)
            top = _FOLDER if folder in self.listed or folder == "/" else self.facts.paths.get(folder)
            if top is None or top.type in ("file", "other"):
                return None
            if top.type == "dir":
                names = self.listed.get(folder)
                return _UNKNOWN if names is None or posixpath.basename(below) in names else None
            if not top.target:
                return None
            path = posixpath.join(top.target, path[len(folder) + 1 :])
        return _UNKNOWN


class _Unknown:
    """That nothing is known of a path."""


_UNKNOWN = _Unknown()
