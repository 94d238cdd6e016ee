"""Rules about the files that a Dockerfile copies."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from .. import contract
from ..finding import Finding, Fix
from ..fs.lookup import is_there
from . import mending
from .dockerfile_user import is_root
from .inputs.copies import Copied
from .inputs.dockerfile import InferenceBase, Ran
from .inputs.names import plain_path
from .inputs.stages import Built, Value
from .rule import rule

_SECRET = re.compile(
    r"\.env(\.(local|prod|production|dev|development))?|\.netrc|\.git-credentials|\.pypirc|id_(rsa|dsa|ecdsa|ed25519)",
    re.IGNORECASE,
)
"""Names of files that hold passwords or private keys."""


@rule("AML730", "warning")
def code_elsewhere(copied: tuple[Copied, ...], ran: tuple[Ran, ...], built: Built) -> Iterator[Finding]:
    """The code is copied to another folder than the one in which the server looks for it.

    The server starts in `AML_APP_ROOT`, which is `/var/azureml-app` where nothing says otherwise, and looks there for
    the entry script.

    Bad `Dockerfile`:

        COPY code /code
        ENV AZUREML_ENTRY_SCRIPT=score.py

    Good `Dockerfile`:

        COPY code /var/azureml-app
        ENV AZUREML_ENTRY_SCRIPT=score.py

    Silent: where no code is copied at all, so that Azure ML mounts it; an absolute entry script; a command that names
    the right folder; folders that only the build knows.
    """
    said, root = built.variables.get(contract.ENTRY_SCRIPT), contract.APP_ROOT
    if contract.APP in built.variables:
        root = (built.variables[contract.APP].text or "").rstrip("/")
    script = said.text if said else None
    if not said or not script or script.startswith("/") or not root:
        return
    code = [each for each in copied if any(_may_be(source, script) for source in each.sources)]
    if not code or any(each.dest is None or (_meets(each.dest, root) and not _is_model(each)) for each in copied):
        return
    if any(root in word.text for each in ran for word in each.call.words):
        return
    yield Finding(
        f"the server looks for {script} in {root}, and the code is copied to {code[-1].dest}",
        location=code[-1].step.instruction.at(),
        hint=f"Copy it to {root}, or set {contract.APP}.",
    )


def _may_be(source: str, script: str) -> bool:
    """Whether what is copied may hold the entry script: it, or a folder of code."""
    name = posixpath.basename(source.rstrip("/"))
    return name == posixpath.basename(script) or name in ("", ".", "code", "src", "app", "onlinescoring", "scoring")


def _is_model(each: Copied) -> bool:
    """Whether what is copied is a model, by the names of where it is from and where it goes."""
    return bool(each.sources) and all("model" in posixpath.basename(text.rstrip("/")) for text in each.sources)


def _meets(dest: str, root: str) -> bool:
    """Whether something that is copied to a folder, or a file, may lie in the root."""
    return (
        dest == "/" or f"{dest.rstrip('/')}/".startswith(f"{root}/") or f"{root}/".startswith(f"{dest.rstrip('/')}/")
    )


@rule("AML731", "warning")
def unreadable_for_the_user(
    inference: InferenceBase, copied: tuple[Copied, ...], ran: tuple[Ran, ...], built: Built
) -> Iterator[Finding]:
    """Files are copied so that the image's user cannot read them.

    What `COPY` makes belongs to root, whatever `USER` is, unless `--chown` says otherwise. With a mode such as 0600
    `dockeruser` cannot read it, and a folder of mode 0644 cannot be entered. The modes of files that lie beside the
    Dockerfile are looked at as well, where no `--chmod` changes them.

    Bad `Dockerfile`:

        COPY --chmod=0600 score.py /var/azureml-app/

    Good `Dockerfile`:

        COPY --chmod=0644 score.py /var/azureml-app/

    Silent: with a `--chown` to the image's user, or to a name that only the base knows; in an image that runs as
    root, where a command changes owners or modes, and for what does not lie beside the Dockerfile. What lies in a
    copied folder is not looked at where a `.dockerignore` may leave it out.
    """
    if is_root(built.user) or built.user is None or any(each.call.program in ("chown", "chmod") for each in ran):
        return
    for each in copied:
        owner = _owner(each.step.instruction.flag("chown"), built.user)
        if owner is None:
            continue
        mode = each.step.instruction.flag("chmod")
        if mode is None:
            yield from _shut(each, *owner)
        if mode is None or not re.fullmatch(r"[0-7]{3,4}", mode):
            continue
        whose, shift = owner
        bits = int(mode, 8) >> shift & 0o7
        folder = next((source for source in each.sources if (each.context / source).is_dir()), None)
        why = None
        if not bits & 0o4:
            why = f"which only {whose} can read"
        elif folder is not None and not bits & 0o1:
            why = f"with which {folder} is a folder that only {whose} can enter"
        if why:
            yield Finding(
                f"what is copied belongs to {whose} and has the mode {mode}, {why}",
                location=each.step.instruction.at_flag("chmod"),
                hint="Add --chown=dockeruser, or write --chmod=a+rX."
                if whose == "root"
                else "Write --chown=dockeruser, or --chmod=a+rX.",
            )


_ROOT = ("root", "0")
_SERVICE = ("dockeruser", str(contract.SERVICE_ID))


def _owner(said: str | None, user: str) -> tuple[str, int] | None:
    """Whose the copied files are, and where in their modes stands what the image's user may do: by how many bits to
    shift, for those of the group or of others. None where they are the user's own, or where nobody knows.

    :param said: by ``--chown``. :param user: of the image; empty for the base's, which is dockeruser.
    """
    if said is None:
        return "root", 0
    owner, _, group = said.partition(":")
    users = _SERVICE if user == "" or user.partition(":")[0] in _SERVICE else (user.partition(":")[0],)
    if owner in users or "$" in said or not (owner in _ROOT or owner.isdecimal()):
        return None
    return ("root" if owner in _ROOT else owner), 3 if group in users else 0


_MOST_FILES = 2_000


def _shut(each: Copied, whose: str, shift: int) -> Iterator[Finding]:
    """The first file or folder of what is copied that the image's user may not read, by the bits at a place."""
    names = (".dockerignore", f"{each.step.instruction.path.name}.dockerignore")
    all_of_it = not any(is_there(each.context / name) for name in names)
    for source in each.sources:
        for path in islice(_within(each.context / source), _MOST_FILES if all_of_it else 1):
            mode = path.stat().st_mode
            needs = (0o5 if path.is_dir() else 0o4) << shift
            if mode & needs != needs:
                yield Finding(
                    f"{path.relative_to(each.context)} has the mode {mode & 0o777:04o}, and belongs to {whose} in "
                    "the image, whose user cannot read it",
                    location=each.step.instruction.at(),
                    hint="Add --chown=dockeruser, or --chmod=a+rX.",
                )
                return


def _within(path: Path) -> Iterator[Path]:
    """A path and what lies below it; nothing of what cannot be read, and nothing where there are no modes."""
    if os.name == "nt" or path.is_symlink() or not path.exists():
        return
    yield path
    if path.is_dir():
        for root, folders, files in os.walk(path):
            below = (Path(root) / name for name in (*sorted(folders), *sorted(files)))
            yield from (each for each in below if not each.is_symlink())


@rule("AML732", "warning")
def model_folder_is_another(copied: tuple[Copied, ...], ran: tuple[Ran, ...], built: Built) -> Iterator[Finding]:
    """AZUREML_MODEL_DIR names nearly the folder that the model is copied to.

    The entry script looks for the model where the variable says, and `init()` fails.

    Bad `Dockerfile`:

        COPY model /var/azureml-app/azureml-models
        ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-model

    Good `Dockerfile`:

        COPY model /var/azureml-app/azureml-models
        ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-models

    Silent: where what is copied lies in that folder or holds it, where a command names it, and where nothing of a
    similar name is copied, so that Azure ML mounts the model.
    """
    said = built.variables.get(contract.MODEL_DIR)
    if not said or not said.text or any(said.text in word.text for each in ran for word in each.call.words):
        return
    folder = posixpath.normpath(posixpath.join(contract.APP_ROOT, said.text))
    dests = [each.dest.rstrip("/") for each in copied if each.dest]
    if len(dests) < len(copied) or any(f"{each}/".startswith(f"{folder}/") for each in dests):
        return
    near = next((each for each in dests if _is_near(each, folder)), None)
    if near:
        yield Finding(
            f"{contract.MODEL_DIR} is {said.text}, and the model is copied to {near}",
            location=said.location,
            hint=f"Write the same folder in both, such as {contract.MODELS_ROOT}.",
            fixes=_one_folder(said, folder, near, copied),
        )


def _one_folder(said: Value, folder: str, near: str, copied: tuple[Copied, ...]) -> tuple[Fix, ...]:
    """Azure ML's own folder in both places, where one of them names it."""
    if _is_in_models(near):
        return mending.value(said.location, contract.MODEL_DIR, said.text or "", near)
    places = [each.step.instruction for each in copied if each.dest and each.dest.rstrip("/") == near]
    if len(places) != 1 or not _is_in_models(folder):
        return ()
    word = places[0].words[-1]
    written = word.text.rstrip("/")
    return mending.key(places[0].at(word), written, folder) if written == near and word.end else ()


def _is_in_models(path: str) -> bool:
    return f"{path}/".startswith(f"{contract.MODELS_ROOT}/")


def _is_near(dest: str, folder: str) -> bool:
    """Whether a path differs from another by an s, a case, a dash or an underscore."""
    return dest != folder and plain_path(dest) == plain_path(folder)


@rule("AML733", "warning")
def secret_file_copied(copied: tuple[Copied, ...]) -> Iterator[Finding]:
    """A file of passwords or keys is copied into the image.

    Whoever can pull the image can read it, also where a later step removes it.

    Bad `Dockerfile`:

        COPY .netrc /home/dockeruser/.netrc
        RUN pip install -r requirements.txt

    Good `Dockerfile`:

        RUN --mount=type=secret,id=netrc,target=/home/dockeruser/.netrc pip install -r requirements.txt

    Silent: secrets that a build mounts, public keys and certificates, examples such as `.env.example`, and what is
    copied from another stage.
    """
    for each in copied:
        for source in each.sources:
            if _SECRET.fullmatch(posixpath.basename(source)):
                yield Finding(
                    f"{source} is copied into the image, where everyone who can pull it can read it",
                    location=each.step.instruction.at(),
                    hint="Mount it for the one command that needs it: RUN --mount=type=secret,…",
                )


@rule("AML734", "info")
def model_without_name_and_version(
    inference: InferenceBase, copied: tuple[Copied, ...], ran: tuple[Ran, ...], built: Built
) -> Iterator[Finding]:
    """A model lies straight in the folder that AZUREML_MODEL_DIR names, without a name and a version.

    The server looks there for folders of versions below folders of names, as Azure ML mounts models, and writes a
    traceback into the log at each start: `Error while fetching model IDs`. It serves all the same;
    `Model.get_model_path` of SDK v1 finds nothing.

    Bad `Dockerfile`:

        COPY model /var/azureml-app/azureml-models      # model/model.pkl
        ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-models

    Good `Dockerfile`:

        COPY model /var/azureml-app/azureml-models/diabetes/1
        ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-models/diabetes/1

    Silent: a folder whose name is a number; several models as `NAME/VERSION`; what does not lie beside the
    Dockerfile, or where a `.dockerignore` may leave it out; a folder that a command names.
    """
    said = built.variables.get(contract.MODEL_DIR)
    if not said or not said.text or any(said.text in word.text for each in ran for word in each.call.words):
        return
    folder = posixpath.normpath(posixpath.join(contract.APP_ROOT, said.text))
    if posixpath.basename(folder).isdigit():
        return
    for each in copied:
        flat = None
        with suppress(OSError):  # Of what cannot be read nothing is known.
            flat = next(_into(each, folder), None)
        if flat is not None:
            yield Finding(
                f"{flat} lies in {folder}, where the server looks for NAME/VERSION: its log has a traceback at each "
                "start",
                location=each.step.instruction.at(),
                hint=f"Copy it to {folder}/NAME/1, and let {contract.MODEL_DIR} name that.",
            )
            return


def _into(each: Copied, folder: str) -> Iterator[str]:
    """What a step certainly copies straight into a folder and is no model's name with versions below it."""
    names = (".dockerignore", f"{each.step.instruction.path.name}.dockerignore")
    if any(is_there(each.context / name) for name in names):
        return
    dest = (each.dest or "").rstrip("/")
    for source in each.sources:
        path = each.context / source
        if path.is_dir() and dest == folder:
            yield from (item.name for item in sorted(path.iterdir()) if not _has_versions(item))
        elif path.is_file() and folder in (dest, posixpath.dirname(dest)):
            yield path.name


def _has_versions(path: Path) -> bool:
    return path.is_dir() and all(each.name.isdigit() for each in path.iterdir())
