"""The prebuilt inference images that users base on, and what is assumed of each while it is not asked.

Sources: the list of supported images in Microsoft's "Prebuilt Docker images for inference" (2025-09-24) and the
Dockerfiles of the curated ones in ``Azure/azureml-assets`` (2026-07-23). A reference matches by its repository,
whatever its host and tag are, so that a company's mirror of an image is known too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field

from .. import contract
from ..data import frozen
from ..errors import UsageError
from ..graph.base import ARCHIVES, DEFAULT_PLATFORM, From
from ..graph.checks import parse_reference
from .facts import BaseFacts, PathFact, of_config
from .plain_python import DIRECTORIES, assumed_plain, image_for, is_for, is_plain, python_of
from .training import assumed_training, is_training

FACTS_DATE = "2026-11-21"
"""When what stands here was last compared with Microsoft's pages."""


REGISTRY = "mcr.microsoft.com"


PYTHON_ENDS: Mapping[str, str] = {
    "3.6": "2021-12",
    "3.7": "2023-06",
    "3.8": "2024-10",
    "3.9": "2025-10",
    "3.10": "2026-10",
    "3.11": "2027-10",
    "3.12": "2028-10",
    "3.13": "2029-10",
    "3.14": "2030-10",
}
"""When each Python's own support ends (https://devguide.python.org/versions). Microsoft's page names no dates."""


_DIRECTORIES: Mapping[str, PathFact] = {
    **DIRECTORIES,
    contract.APP_ROOT: PathFact("dir", 0o755, contract.SERVICE_ID, contract.SERVICE_ID),
}


SERVER = (contract.SERVER,)
"""The one package that every prebuilt image has; no classic one has others, by Microsoft's page."""


@frozen
class CatalogImage:
    """One prebuilt image.

    :param name: what ``--base NAME`` says.
    :param repository: below the registry.
    :param python: ``3.12``.
    :param supported: whether Microsoft's page lists it as supported on :data:`FACTS_DATE`.
    :param packages: that it installs, with all that they need; None where not all are known.
    """

    name: str
    repository: str
    python: str
    gpu: bool
    supported: bool
    facts: BaseFacts = field(repr=False)
    packages: tuple[str, ...] | None = SERVER

    @property
    def reference(self) -> str:
        """The whole reference, with the tag that Microsoft says to use."""
        return f"{REGISTRY}/{self.repository}:latest"

    @property
    def until(self) -> str:
        """The month in which its Python's own support ends."""
        return PYTHON_ENDS[self.python]

    @property
    def recipes(self) -> Mapping[str, str]:
        """Which built-in recipes apply: ``yes``, ``no``, ``unknown``, or ``pythonpath`` for ``--via pythonpath``."""
        start_script = {True: "yes", False: "no", None: "unknown"}[self.facts.extras]
        preinstalled = "pythonpath" if self.facts.extras is False else start_script
        return {"extended": "yes", "package": "yes", "dynamic": start_script, "preinstalled": preinstalled}


def _facts(environment: str, owner: int, python: str, extras: bool | None) -> BaseFacts:
    return BaseFacts(
        source="catalog",
        environment=environment,
        environment_uid=owner,
        environment_gid=owner,
        python=python,
        extras=extras,
        cmd=contract.START_COMMAND,
        paths=_DIRECTORIES,
    )


def _classic(name: str, python: str, *, gpu: bool = False, supported: bool = True) -> CatalogImage:
    facts = _facts("/opt/miniconda/envs/amlenv", contract.SERVICE_ID, python, None)
    return CatalogImage(name, f"azureml/{name}", python, gpu, supported, facts)


def _curated(
    name: str, python: str, packages: tuple[str, ...] | None, *, gpu: bool = False, environment: str = "minimal"
) -> CatalogImage:
    facts = _facts(f"/azureml-envs/{environment}", 0, python, False)
    return CatalogImage(f"curated/{name}", f"azureml/curated/{name}", python, gpu, True, facts, packages)


IMAGES: tuple[CatalogImage, ...] = (
    _classic("minimal-py312-inference", "3.12"),
    _classic("minimal-ubuntu22.04-py39-cpu-inference", "3.9"),
    _classic("minimal-ubuntu22.04-py39-cuda11.8-gpu-inference", "3.9", gpu=True),
    _curated("minimal-py311-inference", "3.11", (*SERVER, "azure-storage-blob", "azure-identity", "numpy", "joblib")),
    _curated("minimal-py312-cuda12.4-inference", "3.12", (*SERVER, "numpy"), gpu=True),
    _curated("mlflow-py312-inference", "3.12", None, environment="mlflow"),
    _classic("minimal-ubuntu20.04-py38-cpu-inference", "3.8", supported=False),
    _classic("minimal-ubuntu20.04-py38-cuda11.6.2-gpu-inference", "3.8", gpu=True, supported=False),
)


DEFAULT = IMAGES[0]


def find(reference: str) -> CatalogImage | None:
    """The image that a reference's repository names, whatever its host, prefix, tag and digest."""
    name = parse_reference(reference)[0]
    for image in IMAGES:
        if name == image.repository or name.endswith("/" + image.repository):
            return image
    return None


def python(base: From) -> str | None:
    """The version of a base's Python, ``3.12``, as far as its name tells."""
    image = find(base.reference)
    return image.python if image else python_of(base)


def inference(versions: str = "", *, gpu: bool = False) -> CatalogImage | None:
    """The first supported image for packages of any kind that has one of some Pythons.

    :param versions: as pip writes them, ``==3.10.*``; empty for any.
    :param gpu: whether it is one for GPUs.
    """
    return next(
        (
            each
            for each in IMAGES
            if each.supported and each.gpu is gpu and each.packages is not None and is_for(versions, each.python)
        ),
        None,
    )


def for_python(versions: str) -> str | None:
    """What ``--base`` says for a range of Pythons: a supported image for CPUs that has one of these, else Docker's of
    the newest, to which a server is added; None where there is neither.

    :param versions: as pip writes them, ``==3.10.*``.
    """
    found = inference(versions)
    return found.name if found else image_for(versions)


def base(text: str, platform: str = DEFAULT_PLATFORM, *, folder: Path | None = None) -> From:
    """Read what ``--base`` says: a catalog name, a folder or tar of this machine, or any image reference.

    A name may have a tag or digest of its own. A single word without tag, slash or host that looks like a prebuilt
    image's name, and is none, is an error that names the nearest ones; anything else is a reference.

    :param folder: what the path behind ``oci:``, ``oci-archive:`` or ``docker-archive:`` is relative to; the working
        directory unless given.
    :raises UsageError: such a word; what :func:`dagger_aml.oci.layout.base` raises.
    :raises GraphError: not a reference.
    """
    if text.partition(":")[0] in ARCHIVES and ":" in text:
        from ..oci import layout as oci_layout

        return oci_layout.base(text, platform, folder or Path.cwd())
    word = text.partition("@")[0].partition(":")[0]
    for image in IMAGES:
        if word in (image.name, image.name.rpartition("/")[2]):
            return From.parse(f"{REGISTRY}/{image.repository}{text[len(word) :]}", platform)
    plain = text.removeprefix("curated/")
    if "/" not in plain and ":" not in plain and "@" not in plain:
        names = [image.name for image in IMAGES]
        import difflib

        near = difflib.get_close_matches(text, names, 3, 0.5)
        if near or plain.endswith("-inference") or plain != text:
            raise UsageError(
                f"no prebuilt image is called {text!r}",
                hint="Similar names: "
                + ", ".join(near or names[:3])
                + ". Any other image reference needs a tag or a registry.",
            )
    return From.parse(text, platform)


def on_platform(base: From, platform: str) -> From:
    """The same base for another platform.

    :raises BaseError: it lies on this machine and has no image for that.
    """
    if base.archive and base.platform != platform:
        from ..oci import layout as oci_layout

        return oci_layout.base(str(base.archive), platform, Path("/"))
    return evolve(base, platform=platform)


def assumed(base: From, *, plain: bool = False) -> BaseFacts:
    """What is assumed of a base that is not asked: the catalog's facts, else the layout of ``azureml/<name>``, or
    that of images which are known to have another.

    The config of an image that lies on this machine is read, so what it says is known.

    :param plain: whether one in no catalog has a Python and no server, as Docker's official ``python``.
    """
    image = find(base.reference)
    if image:
        facts = image.facts
    elif is_training(base.reference):
        facts = assumed_training()
    elif plain or is_plain(base):
        facts = assumed_plain(base)
    else:
        facts = evolve(DEFAULT.facts, source="assumed", python=None, extras=None)
    if base.archive:
        from ..oci import layout as oci_layout

        known = of_config(oci_layout.config(base), facts)
        named = known.environment or (facts.environment if facts.interpreter else None)
        facts = evolve(known, environment=named, interpreter=None if known.environment else facts.interpreter)
    return facts
