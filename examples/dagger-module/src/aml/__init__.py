"""Models on Azure ML's prebuilt inference images, as functions of a Dagger module."""

import tempfile
from typing import Annotated

import dagger
from dagger import Doc, dag, function, object_type

from dagger_aml import Options, container, lay_out, load_project


@object_type
class Aml:
    """Puts a project on an inference image."""

    @function
    async def image(
        self,
        project: Annotated[dagger.Directory, Doc("The folder with code, model and requirements")],
        base: Annotated[dagger.Container | None, Doc("What to start from, in place of the project's base")] = None,
        recipe: Annotated[str, Doc("extended, dynamic, preinstalled or package")] = "",
    ) -> dagger.Container:
        """The project's image; the packages are installed, model and code are where the server looks for them."""
        # The folder's name is the project's, where its file gives it none.
        with tempfile.TemporaryDirectory() as folder:
            await project.export(f"{folder}/model")
            graph = await lay_out(load_project(f"{folder}/model", Options(recipe=recipe or None)))
            made = await container(graph, dag, base=base)
            # What is copied lies in the folder that goes with this block.
            return await made.sync()
