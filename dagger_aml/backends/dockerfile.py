"""A plan as a Dockerfile and its context folder, for any builder: no engine, no network.

Copies use encoding K of the project's facts on builders: an empty folder first makes missing parents as 0:0, then a
folder that holds exactly what is copied goes onto the destination. So every builder keeps the owner and mode of what
exists, replaces links by files, and gives parents the same owner.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from ..access import Mount
from ..content import AGAIN, MARKER, Stamps, check_stamps, is_file, stamps, unchanged
from ..errors import GraphError, ProjectError, UsageError, unreadable
from ..graph import Built, Copy, Given, Graph, Layer, Local, Run, Text
from ..plan import Plan, bases, labels
from ..version import __version__
from . import encoder
from .room import not_written

Format = Literal["classic", "buildkit"]

_EMPTY = "context/empty"
_ROOT = "0:0"


@frozen
class Dockerfile:
    """A rendered Dockerfile and what its context folder must hold.

    :param text: the Dockerfile.
    :param copies: context folder names and the copies whose sources fill them.
    :param mounts: the files that its commands see, which whoever builds it must give as secrets of these names.
    """

    text: str
    copies: tuple[tuple[str, Copy], ...] = field(repr=False)
    mounts: tuple[Mount, ...] = ()
    _stamps: Stamps = field(init=False, repr=False, eq=False)

    @_stamps.default
    def _now(self) -> Stamps:
        """What a file to copy may not differ from when it is copied."""
        return stamps(copy for _, copy in self.copies)

    def __str__(self) -> str:
        return self.text

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write Dockerfile and context into a folder, whole or not at all.

        A file that changes rarely (a model's) is hard-linked where that cannot be told from a copy (same file system,
        one link, normalised mode, no extended attributes); everything else is copied with its times. Nothing of the
        user's is changed.

        :param force: replace a folder that is neither empty nor one of ours.
        :raises UsageError: such a folder without ``force``, a file of that name, or a folder in which something lies
            that is copied from.
        :raises ProjectError: a source vanished, changed since this was rendered, or cannot be read.
        :raises DaggerAmlError: the disk is full.
        """
        self._keep_sources(Path(folder))
        with replaced_folder(Path(folder), force=force) as new:
            self.write(new)
        return Path(folder)

    def _keep_sources(self, folder: Path) -> None:
        """Refuse to replace a folder that holds what is to be copied, with ``force`` too."""
        place = folder.resolve()
        for _, copy in self.copies if place.is_dir() else ():
            if isinstance(copy.source, Local) and Path(copy.source.path).is_relative_to(place):
                raise UsageError(
                    f"holds {copy.source.path}, which goes into the image",
                    where=str(folder),
                    do="Give another output folder; this one would be replaced as a whole.",
                )

    def write(self, folder: Path) -> None:
        """Write Dockerfile and context into an existing folder; what ``save`` does, but for its guards."""
        (folder / "Dockerfile").write_bytes(self.text.encode())
        _make_folder(folder / _EMPTY / "e")
        for name, copy in self.copies:
            fill(folder / name, copy)
        check_stamps(self._stamps)


def render(plan: Plan, *, format: Format = "classic", title: str = "") -> Dockerfile:
    """Write a plan as a Dockerfile.

    :param format: ``classic`` is what any builder takes, ACR tasks included; ``buildkit`` may use mounts, which only
        steps with secrets need.
    :param title: what the first line names, such as the project's folder.
    :raises UsageError: ``format`` is none of the two, or the classic one and a command sees mounted files; a base
        that lies on this machine.
    :raises GraphError: the base is a container that somebody handed over.
    :raises ProjectError: a file to copy vanished or changed since it was walked.
    """
    if isinstance(plan.base, Given):
        raise GraphError("a graph on a container given has no Dockerfile form", do="Call the base step first.")
    _check_reachable(plan)
    if format not in ("classic", "buildkit"):
        raise UsageError(f"no such Dockerfile format: {format!r}", do="Take classic or buildkit.")
    mounts = _mounts(plan.layers)
    if mounts and format == "classic":
        step = next(iter(mounts.values()))
        raise UsageError(
            f"the step needs {', '.join(sorted(each.id for each in mounts))} mounted, which classic builders cannot",
            where=step,
            do="Take --format buildkit: index settings, CAs and secrets travel as mounts, so that nothing of them "
            "stays in the image.",
        )
    writer = _Writer()
    writer.lines.append(encoder.comment(_head(plan, title, tuple(mounts))))
    writer.stages(plan.layers)
    writer.lines += ["", encoder.from_(plan.base.pinned, plan.base.platform)]
    state = writer.layers(plan.layers, plan.facts.user or _ROOT, plan.facts.workdir)
    with unchanged(plan.layers):
        writer.config(plan, state)
        return Dockerfile("\n".join(writer.lines) + "\n", tuple(writer.copies), tuple(mounts))


def _check_reachable(plan: Plan) -> None:
    """Refuse a base that a Dockerfile cannot name: FROM takes what a registry or a builder's store has."""
    for base in bases(Graph(plan.base, plan.layers)):
        if base.archive:
            copy, file = f"skopeo copy {shlex.quote(str(base.archive))}", shlex.quote(base.archive.path)
            loads = {"oci": "", "oci-archive": "podman", "docker-archive": "docker, podman"}[base.archive.kind]
            raise UsageError(
                f"a Dockerfile cannot start from {base.archive}: FROM takes what a registry or a builder's store has",
                do="Load it first, and say --base with the name that it then has; `dagger-aml build` needs none of "
                f"this.\ndocker: {copy} docker-daemon:{base.reference}\n"
                f"podman, buildah: {copy} containers-storage:{base.reference}"
                + (f"\n{loads}, without skopeo: {loads.partition(',')[0]} load -i {file}" if loads else ""),
            )


def _mounts(layers: tuple[Layer, ...]) -> dict[Mount, str]:
    """The mounts of all commands, those of stages included, each with the first step that sees it."""
    found: dict[Mount, str] = {}
    for layer in layers:
        if isinstance(layer, Run):
            for mount in layer.mounts:
                found.setdefault(mount, layer.step)
        elif isinstance(layer.source, Built):
            found = {**_mounts(layer.source.graph.layers), **found}
    return found


def _head(plan: Plan, title: str, mounts: tuple[Mount, ...]) -> str:
    asked = plan.facts.source == "asked"
    secrets = "".join(f" --secret id={mount.name},src=FILE" for mount in mounts)
    lines = [
        f"Written by dagger-aml {__version__}" + (f" from {title}" if title else ""),
        f"Build it with: docker build{secrets} -t NAME THIS_FOLDER",
        *(f"- {mount.name}: {mount.holds}" for mount in mounts),
        "",
        f"{'Asked' if asked else 'Assumed'} of {plan.base.pinned}:",
        *(f"- {line}" for line in plan.facts.summary()),
    ]
    if not asked:
        lines.append("`dagger-aml build` asks the real base instead.")
    if not plan.base.digest:
        lines.append("The base is not pinned by its digest: `dagger-aml dockerfile --pin` asks the registry for it.")
    lines += [f"Note: {note}" for note in plan.notes]
    return "\n".join(lines)


class _Writer:
    """Collects instructions and the context's folders while a plan is walked."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.copies: list[tuple[str, Copy]] = []
        self.built: list[tuple[Graph, str]] = []

    def stages(self, layers: tuple[Layer, ...]) -> None:
        for layer in layers:
            if isinstance(layer, Run) or not isinstance(layer.source, Built):
                continue
            graph = layer.source.graph
            if self.stage_of(graph):
                continue
            self.stages(graph.layers)
            name = f"stage-{len(self.built) + 1}"
            self.built.append((graph, name))
            base = graph.from_
            self.lines += ["", encoder.from_(base.pinned, base.platform, name)]
            self.layers(graph.layers, "", None)

    def stage_of(self, graph: Graph) -> str | None:
        return next((name for known, name in self.built if known == graph), None)

    def layers(self, layers: tuple[Layer, ...], user: str, workdir: str | None) -> tuple[str, str | None]:
        """Write the ops; returns the user (empty: not known) and workdir in force after them."""
        for layer in layers:
            self.lines += ["", encoder.comment(layer.step)]
            if isinstance(layer, Copy):
                self.copy(layer)
                continue
            if layer.user != user:
                user = str(layer.user)
                self.lines.append(encoder.user(user))
            if layer.workdir != workdir:
                workdir = layer.workdir
                self.lines.append(encoder.workdir(workdir))
            mounts = [_secret_mount(each, user) for each in layer.mounts]
            self.lines.append(encoder.run([str(word) for word in layer.command], mounts))
        return user, workdir

    def copy(self, copy: Copy) -> None:
        owner = None if copy.uid is None or copy.gid is None else (int(str(copy.uid)), int(str(copy.gid)))
        into = posixpath.dirname(copy.dest) if copy.kind == "file" else copy.dest
        parent = posixpath.dirname(copy.dest)
        if owner and parent != "/":
            self.lines.append(encoder.copy(f"{_EMPTY}/e", parent))
        name = f"context/{len(self.copies) + 1}"
        if copy.root is not None or not isinstance(copy.source, Built):
            self.copies.append((name, copy))
        if isinstance(copy.source, Built):
            stage = self.stage_of(copy.source.graph)
            self.lines.append(encoder.copy(copy.source.path, into, owner=owner, stage=stage))
        else:
            self.lines.append(encoder.copy(f"{name}/k", into, owner=owner))
        if copy.root is not None:
            self.lines.append(
                encoder.copy(f"{name}/root", posixpath.dirname(copy.dest), owner=(copy.root.uid, copy.root.gid))
            )

    def config(self, plan: Plan, state: tuple[str, str | None]) -> None:
        config, facts = plan.config, plan.facts
        lines = [encoder.env(name, str(value)) for name, value in config.env.items()]
        lines += [encoder.label(name, value) for name, value in sorted(labels(plan).items())]
        lines += [encoder.expose(port) for port in config.ports]
        workdir = config.workdir or facts.workdir
        if workdir != state[1]:
            lines.append(encoder.workdir(workdir))
        user = (facts.user if config.user is None else str(config.user)) or _ROOT
        if user != state[0]:
            lines.append(encoder.user(user))
        if config.entrypoint is not None:
            lines.append(encoder.entrypoint(config.entrypoint))
        if config.cmd is not None:
            lines.append(encoder.cmd(config.cmd))
        elif config.entrypoint is not None and facts.cmd:
            lines.append(encoder.cmd(facts.cmd))
        if lines:
            self.lines += ["", encoder.comment("what the image says of itself"), *lines]


def _secret_mount(mount: Mount, user: str) -> str:
    uid, _, gid = user.partition(":")
    return encoder.secret_mount(mount.name, mount.path, (int(uid), int(gid)), mount.mode)


# --- the context folder -------------------------------------------------------------------------------------------


def fill(folder: Path, copy: Copy) -> None:
    """Make ``folder/k`` hold exactly what a copy puts onto its destination, modes normalised; and ``folder/root`` an
    empty folder of the destination's name and mode, where the copy states one.

    :raises ProjectError: a source vanished or cannot be read.
    """
    source, root = copy.source, folder / "k"
    if copy.root is not None:
        stated = folder / "root" / posixpath.basename(copy.dest)
        _make_folder(stated)
        stated.chmod(copy.root.mode)
    if isinstance(source, Built):
        return
    _make_folder(root)
    if isinstance(source, Text):
        _write(root / posixpath.basename(copy.dest), source.data, 0o755 if source.executable else 0o644)
    elif isinstance(source, Local):
        link = copy.changes == "rarely"
        if is_file(source):
            name = posixpath.basename(copy.dest)
            _put_file(Path(source.path), root / name, source.entries[0].mode, link=link)
            return
        names: dict[tuple[int, int], Path] = {}
        for entry in source.entries:
            made = root / entry.path
            if entry.type == "dir":
                _make_folder(made)
            elif entry.type == "link":
                os.symlink(entry.target, made)  # noqa: PTH211 - the text itself, not a Path made of it
            else:
                _put_name(Path(source.path) / entry.path, made, entry.mode, names, link=link)


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def _put_name(source: Path, dest: Path, mode: int, names: dict[tuple[int, int], Path], *, link: bool) -> None:
    """Put a file that may have several names in its tree; the engine keeps them one file, so they stay one here.

    :param names: the first of the names that each such file got, by its device and number.
    """
    with contextlib.suppress(OSError):
        info = source.stat()
        if info.st_nlink > 1:
            first = names.setdefault((info.st_dev, info.st_ino), dest)
            if first != dest:
                os.link(first, dest)
                return
    _put_file(source, dest, mode, link=link)


def _put_file(source: Path, dest: Path, mode: int, *, link: bool) -> None:
    try:
        info = source.stat()
        if link and info.st_nlink == 1 and info.st_mode & 0o7777 == mode and not _has_xattrs(source):
            try:
                os.link(source, dest)
                return
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP):
                    raise
        shutil.copyfile(source, dest)
        dest.chmod(mode)
        os.utime(dest, ns=(info.st_atime_ns, info.st_mtime_ns))
    except FileNotFoundError:
        raise ProjectError("vanished while it was read", where=str(source), do=AGAIN) from None
    except PermissionError as error:
        raise unreadable(error, source) from None
    except (shutil.SpecialFileError, IsADirectoryError):
        raise ProjectError("is no longer the file that it was", where=str(source)) from None


def _has_xattrs(path: Path) -> bool:
    listxattr: Callable[[Path], list[str]] | None = getattr(os, "listxattr", None)
    if listxattr is None:
        return False
    with contextlib.suppress(OSError):
        return bool(listxattr(path))
    return False


@contextlib.contextmanager
def replaced_folder(folder: Path, *, force: bool = False) -> Iterator[Path]:
    """A new folder that takes the place of ``folder`` when the block ends well, and vanishes when it does not.

    :param force: replace also a folder with something in it that is not ours.
    :raises UsageError: such a folder without ``force``, or something that is no folder.
    """
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError("is not a folder", where=str(folder), do="Give another output folder.")
        if folder.is_dir() and not force and any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise UsageError(
                "holds files that dagger-aml did not write",
                where=str(folder),
                do="Give an empty or a new folder, or --force to replace this one.",
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise not_written(error, str(folder), _existing(folder)) from None
    try:
        new, old = work / "new", work / "old"
        _make_folder(new)
        (new / MARKER).write_text(f"Written by dagger-aml {__version__}; replaced as a whole when written again.\n")
        yield new
        if folder.is_dir():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.is_dir():
                old.rename(folder)
            raise
    except OSError as error:
        raise not_written(error, str(folder), folder.parent) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    return next((each for each in folder.absolute().parents if each.is_dir()), Path("/"))
