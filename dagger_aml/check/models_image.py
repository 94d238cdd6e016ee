"""Rules about the models of an image that is made already."""

from __future__ import annotations

from collections.abc import Iterator

from .. import contract
from ..finding import Finding
from .inputs.image import NearFolder
from .rule import rule


@rule("AML430", "warning")
def model_folder_is_not_there(near_model_folder: tuple[NearFolder, ...]) -> Iterator[Finding]:
    """AZUREML_MODEL_DIR names a folder that the image does not have, and there is one of nearly that name.

    The entry script looks for the model where the variable says, and `init()` fails.

    Bad `Dockerfile`:

        COPY model /var/azureml-app/azureml-models
        ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-model

    Good `Dockerfile`:

        COPY model /var/azureml-app/azureml-models
        ENV AZUREML_MODEL_DIR=/var/azureml-app/azureml-models

    Silent: a folder that is there, and one that nothing in the image is called like, since Azure ML may mount it.
    """
    for each in near_model_folder:
        yield Finding(
            f"{contract.MODEL_DIR} is {each.said}, which is not in the image; {each.there} is",
            hint="Write the same folder in both.",
        )
