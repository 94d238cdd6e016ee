"""The numbers of a base's user, from its /etc/passwd and /etc/group as ``id`` and ``getent`` read them."""

from __future__ import annotations

from ..data import frozen
from ..oci.layer_index import Unanswered
from ..oci.layer_tree import LayerTree
from ..text import pattern
from .probe import unknown_user

_NUMBER = pattern(r"(?:0|[1-9][0-9]*)\Z")

_LIKE_A_NUMBER = pattern(r"[+-].*|[0-9]+\Z")

_HIGHEST = 2**32 - 2

_LOCAL = {"files", "compat"}

_WITHOUT_DAEMON = {*_LOCAL, "sss", "systemd"}
"""Name services that know no more than the files where no daemon runs, but for names that the files lack."""


@frozen
class _Named:
    """A line: ``gid`` is the main group's of a user; of a group both are its own number."""

    name: str
    number: int
    gid: int


def numbers_of(user: str, tree: LayerTree) -> tuple[int, int]:
    """UID and GID of what a config's ``User`` says, ``name``, ``name:group`` or numbers; empty means root.

    :raises BaseError: the base has no such user or group.
    :raises Unanswered: more than the two files decides, or they contradict each other.
    """
    name, _, group = user.partition(":")
    users = _lines(tree, "passwd", 3)
    uid, main = _user(user, name, users, tree)
    if not group:
        return uid, main
    if _is_number(group, user, [each.name for each in _lines(tree, "group", 2)]):
        return uid, int(group)
    of_group = next((each for each in _lines(tree, "group", 2) if each.name == group), None)
    if of_group is None:
        raise _nobody(user, "group", tree)
    return uid, of_group.number


def _user(user: str, name: str, users: list[_Named], tree: LayerTree) -> tuple[int, int]:
    """Its number, and that of its main group: 0 where no line has the number."""
    if not name:
        uid, own = 0, None
    elif _is_number(name, user, [each.name for each in users]):
        uid, own = int(name), None
    else:
        own = next((each for each in users if each.name == name), None)
        if own is None:
            raise _nobody(user, "passwd", tree)
        uid = own.number
    first = next((each for each in users if each.number == uid), None)
    if own and first and own.gid != first.gid:
        raise Unanswered(f"the base image has two users of the number {uid}, with different groups")
    if first is None and not _services(tree, "passwd") <= _LOCAL:
        raise Unanswered(f"not only /etc/passwd of the base image decides who has the number {uid}")
    return uid, first.gid if first else 0


def _is_number(text: str, user: str, names: list[str]) -> bool:
    """Whether a word is a number and no name.

    :raises Unanswered: it may be either, or programs differ in how they read it.
    """
    if not _LIKE_A_NUMBER.match(text):
        return False
    if not _NUMBER.match(text) or int(text) > _HIGHEST or text in names:
        raise Unanswered(f"programs differ in what the base image's user {user} means")
    return True


def _nobody(user: str, database: str, tree: LayerTree) -> Exception:
    if _services(tree, database) <= _LOCAL:
        return unknown_user(user)
    return Unanswered(f"not only /etc/{database} of the base image decides who {user} is")


def _services(tree: LayerTree, database: str) -> set[str]:
    """Where names are looked up besides the files.

    :raises Unanswered: what a daemon or a condition decides comes before the files.
    """
    for line in _text(tree, "nsswitch.conf").splitlines():
        key, colon, services = line.partition("#")[0].partition(":")
        if colon and key.strip() == database:
            words = services.split()
            if not _LOCAL & set(words) or not _WITHOUT_DAEMON.issuperset(words):
                raise Unanswered(f"the base image looks up users by: {' '.join(words)}")
            return set(words)
    return {"files"}


def _lines(tree: LayerTree, database: str, group_at: int) -> list[_Named]:
    """The lines that can be understood, in their order.

    :raises Unanswered: the file is not all that there is.
    """
    _services(tree, database)
    found = []
    for line in _text(tree, database).splitlines():
        if line.startswith(("+", "-")):
            raise Unanswered(f"/etc/{database} of the base image takes names from elsewhere")
        fields = line.split(":")
        if line.startswith("#") or len(fields) < group_at + 1:
            continue
        if not (_NUMBER.match(fields[2]) and _NUMBER.match(fields[group_at])):
            raise Unanswered(f"/etc/{database} of the base image has a line that programs may read differently")
        found.append(_Named(fields[0], int(fields[2]), int(fields[group_at])))
    return found


def _text(tree: LayerTree, name: str) -> str:
    return (tree.content(f"/etc/{name}") or b"").decode("utf-8", "surrogateescape")
