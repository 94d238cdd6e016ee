"""What only a project's file says, one record each."""

from __future__ import annotations

from .setting import Auto, Setting

FILE_KEYS = (
    Setting(
        name="extends",
        key=("extends",),
        type=str | tuple[str, ...] | None,
        says="One or more files with shared defaults; values in this file have priority.",
        example='"../company.toml"',
        unsaid="none",
    ),
    Setting(
        name="name",
        key=("name",),
        says="Names the project in the plan and the Dockerfile.",
        example='"diabetes"',
        unsaid="the folder's name",
    ),
    Setting(
        name="version",
        key=("version",),
        says="Value of `{version}` in a tag.",
        example='"1.4.0"',
        unsaid="`[project] version` of pyproject.toml",
    ),
    Setting(
        name="code",
        key=("code", "path"),
        path=True,
        says="The code folder.",
        example='"src"',
        unsaid="found automatically",
    ),
    Setting(
        key=("models", "path"), type=str, required=True, path=True, says="A file or a folder.", example='"model"'
    ),
    Setting(
        key=("models", "name"),
        says="As registered in Azure ML.",
        example='"diabetes"',
        unsaid="the file's or folder's name",
    ),
    Setting(
        key=("models", "version"),
        type=str,
        default="1",
        says="As registered in Azure ML.",
        example='"3"',
    ),
    Setting(
        key=("models", "flat"),
        type=bool,
        default=False,
        says="Copy the model directly into `azureml-models`, not into `NAME/VERSION`. For one model only.",
        example="true",
    ),
    Setting(
        key=("models", "keep-folder"),
        type=Auto,
        default="auto",
        says='Keep the folder\'s own name below `NAME/VERSION`; `"auto"` where the code names files below it.',
        example="true",
        unsaid='`"auto"`',
    ),
    Setting(
        name="preinstalled",
        key=("preinstalled", "path"),
        path=True,
        says="Your own site-packages folder, for [preinstalled](preinstalled.md).",
        example='"libs"',
        unsaid="none",
    ),
)
"""What only a project's file says, and comes before the keys of :class:`.settings.Options` in their tables."""


RTOL, ATOL = 1e-6, 0.0
"""How far a number of an answer may lie from the expected one: unless said otherwise, by its last digits."""


MORE_FILE_KEYS = (
    Setting(
        name="request",
        key=("request",),
        path=True,
        says="A sample request; never part of the image.",
        example='"request.json"',
        unsaid="`request.json`, `sample-request.json`, `sample_request.json` or `test.json`, the first that is there",
    ),
    Setting(
        name="answer",
        key=("answer",),
        path=True,
        says="The expected answer to the sample request.",
        example='"answer.json"',
        unsaid="`answer.json`, if there is one",
    ),
    Setting(
        name="twins",
        key=("conda", "twins"),
        type=dict[str, str],
        says="Packages of PyPI by the names that a [conda file](conda.md) has; an empty name leaves a package out.",
        example='{ opencv = "opencv-python-headless" }',
        unsaid="what is [certain](conda.md#twins)",
    ),
    Setting(
        key=("score", "rtol"),
        type=float | None,
        default=RTOL,
        least=0,
        says="How far a number of the answer may lie from the expected one, relative to the larger of the two.",
        example="1e-3",
    ),
    Setting(
        key=("score", "atol"),
        type=float | None,
        default=ATOL,
        least=0,
        says="The same, absolute: for numbers near 0.",
        example="1e-9",
    ),
)
"""As :data:`FILE_KEYS`, after them."""
