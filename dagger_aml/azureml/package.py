"""A packaged model: an image, or a Dockerfile and its folder."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract import APP_ROOT
from ..errors import DaggerAmlError
from .exceptions import WebserviceException
from .log import Log, tell

if TYPE_CHECKING:
    from ..backends.dockerfile.context import Dockerfile
    from .core.container_registry import ContainerRegistry
    from .models import OfProject
    from .script import Script

FOLDER = APP_ROOT.rpartition("/")[2]
"""The folder of a saved package that holds code and models, as SDK v1 lays it out."""


class ModelPackage:
    """What ``Model.package`` gives.

    :ivar state: ``NotStarted``, ``Running``, ``Succeeded`` or ``Failed``. A Dockerfile is there at once.
    :ivar location: of an image, the name under which it is there; of a Dockerfile, the folder that it was saved to.
    :ivar image: the name of the image, whether it is there or not.
    :ivar error: why it failed; else None.
    """

    def __init__(
        self,
        workspace: OfProject,
        script: Script,
        *,
        generate_dockerfile: bool,
        image_name: str | None = None,
        image_label: str | None = None,
    ) -> None:
        from attrs import evolve

        from .. import sync
        from ..oci.reference import Reference

        self.workspace = workspace
        self.generate_dockerfile = generate_dockerfile
        self.location: str | None = None
        self.error: str | None = None
        self._script = script
        self._log = Log(script.named)
        for line in script.lines:
            self._log.add(line)
        label = image_label or f"{datetime.datetime.now(datetime.UTC):%Y%m%d%H%M%S}"
        self._reference = Reference.parse(f"{image_name or 'package'}:{label}", "image_name")
        self.image: str = str(self._reference)
        with script.naming():
            laid_out = sync.lay_out_each(script.project)
        more = tuple(script.findings)
        self._graphs = tuple(
            evolve(each, warnings=(*more, *map(script.named_in, each.warnings))) for each in laid_out
        )
        for warning in self._graphs[0].warnings:
            self._log.add(warning.titled)
        self._dockerfile: Dockerfile | None = None
        if generate_dockerfile:
            with script.naming():
                self._dockerfile = self._rendered()
            self._log.add("Dockerfile made.")
        self.state = "Succeeded" if generate_dockerfile else "NotStarted"

    def __repr__(self) -> str:
        """What it is, and how far."""
        place = f", location={self.location!r}" if self.location else ""
        return f"ModelPackage(generate_dockerfile={self.generate_dockerfile}, state={self.state!r}{place})"

    def wait_for_creation(self, show_output: bool = False) -> None:
        """Build the image, unless it is there; of a Dockerfile, nothing is left to do.

        :param show_output: whether what is told meanwhile is printed.
        :raises WebserviceException: it failed.
        """
        if show_output:
            for line in self._log.lines:
                tell(line)
        if self.state == "NotStarted":
            self._log.shown = show_output
            try:
                self._build()
            finally:
                self._log.shown = False
        if show_output:
            tell(f"Package creation {self.state}")
        if self.state != "Succeeded":
            raise self._failed()

    def _failed(self) -> WebserviceException:
        return WebserviceException("the package was not made", location=self.image, hint=self.error)

    def _build(self) -> None:
        from .building import opened

        self.state = "Running"
        try:
            with self._script.naming(), opened(self._script.project.root, self._log.on_event) as builder:
                made = builder.build(
                    self._graphs,
                    tags=[self.image],
                    push=self._reference.has_host,
                    load=not self._reference.has_host,
                    title=self._script.project.name,
                )
        except DaggerAmlError as error:
            self.state, self.error = "Failed", str(error)
            self._log.add(self.error)
            raise self._failed() from error
        except BaseException:
            self.state = "NotStarted"  # Interrupted: it may be tried again.
            raise
        pushed = self._reference.has_host and made.digest
        self.location = f"{self._reference.name}@{made.digest}" if pushed else self.image
        self._log.add(f"{'Pushed' if pushed else 'Loaded'} {self.image}")
        self.state = "Succeeded"

    def _rendered(self) -> Dockerfile:
        from attrs import evolve

        from ..backends.dockerfile.instructions import mounts
        from ..backends.dockerfile.render import render
        from ..building.plans import make_plan, with_files

        plan = with_files(make_plan(self._graphs[0]))
        plan = evolve(plan, warnings=tuple(map(self._script.named_in, plan.warnings)))
        for warning in plan.warnings:
            if warning not in self._graphs[0].warnings:
                self._log.add(warning.titled)
        return render(
            plan,
            format="buildkit" if mounts(plan.layers) else "classic",
            title=self._script.project.name,
            folders={APP_ROOT: FOLDER},
        )

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the image, but for those whose values the base decides."""
        return {name: value for name, value in self._graphs[0].config.env.items() if isinstance(value, str)}

    def get_logs(self, decode: bool = True, offset: int = 0) -> str | bytes:
        """What was told while it was made.

        :param decode: whether as text, not as bytes.
        :param offset: bytes to leave out at the beginning.
        """
        found = self._log.text.encode()[offset:]
        return found.decode(errors="replace") if decode else found

    def update_creation_state(self) -> None:
        """Nothing to ask: the state is what it is."""

    def serialize(self) -> dict[str, Any]:
        """As plain data."""
        return {"generateDockerfile": self.generate_dockerfile, "state": self.state, "location": self.location}

    def pull(self) -> None:
        """See that the image is in the local store of the builder, of docker or of podman; one that was loaded is.

        :raises WebserviceException: it is a Dockerfile; it cannot be pulled.
        """
        if self.generate_dockerfile:
            raise WebserviceException("a Dockerfile cannot be pulled", location="pull", hint="Use save().")
        if self.state != "Succeeded":
            self.wait_for_creation(show_output=True)
        if not self._reference.has_host:
            tell(f"Status: Image is up to date for {self.image}")
            return
        from .building import program_of

        own = program_of(self._script.project.root)
        program = next((each for each in (own, "docker", "podman") if each and shutil.which(each)), None)
        if program is None:
            raise WebserviceException("neither docker nor podman is installed", location="pull")
        if subprocess.run([program, "pull", self.image], check=False).returncode:
            raise WebserviceException(f"{program} could not pull {self.image}", location="pull")

    def save(self, output_directory: str | os.PathLike[str]) -> None:
        """Write the Dockerfile and its folder, whole or not at all: ``docker build FOLDER`` builds it.

        :param output_directory: made where it is missing; one that holds anything but an earlier package is refused.
        :raises WebserviceException: it is an image; there is a file of that name.
        :raises UsageError: the folder holds something else. :raises ProjectError: a source vanished or changed.
        """
        if self._dockerfile is None:
            raise WebserviceException("an image cannot be saved to a folder", location="save", hint="Use pull().")
        place = Path(output_directory)
        if place.exists() and not place.is_dir():
            raise WebserviceException("is not a folder", location=str(output_directory))
        self._dockerfile.save(place)
        self.location = str(place)

    def get_container_registry(self) -> ContainerRegistry:
        """Where the image is, of a Dockerfile where its base is; docker's own login for it, read when it is asked.

        The address is None for an image that is in no registry.
        """
        if self.state != "Succeeded":
            self.wait_for_creation(show_output=True)
        from ..oci.reference import Reference
        from .core.container_registry import ContainerRegistry

        if self.generate_dockerfile:
            return ContainerRegistry.at(Reference.parse(self._script.project.base.reference).host)
        return ContainerRegistry.at(self._reference.host) if self._reference.has_host else ContainerRegistry()
