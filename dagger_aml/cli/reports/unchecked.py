"""Why rules could not be run on an input, in words."""

from __future__ import annotations

from collections.abc import Mapping

from .model import Checked

_LACKS = {
    "project": "there is no project, for the file runs a finished image",
    "code": "there is no code folder",
    "script": "there is no code folder",
    "entry": "there is no entry script that can be read",
    "points": "there is no entry script that can be read",
    "used": "there is no code to follow",
    "elsewhere": "there is no code to follow",
    "requirements": "no list of packages is read",
    "allowed": "no list of packages is read",
    "wanted": "nothing tells what is installed",
    "python": "the Python of the base is not known",
    "graph": "the project was refused before",
    "platform": "the project was refused before",
    "server": "the project was refused before",
    "reserved": "the project was refused before",
    "variables": "the project was refused before",
    "plan": "the project was refused before",
    "base": "the project was refused before",
    "used_by_base": "the project was refused before",
    "base_python": "the Python of the base is not known",
    "base_glibc": "the C library of the base is not known",
    "base_packages": "the packages of the base are not known",
    "machine": "the processor of the base is not known",
}
"""Why a rule was not run, by the fact that it lacks."""

_LACKS_OF = {
    "Dockerfile": {
        **dict.fromkeys(("azureml", "server", "variables"), "nothing says that this is an image for Azure ML"),
        **dict.fromkeys(("apt", "inference"), "the base is none of Azure ML's images for inference, by its name"),
        **dict.fromkeys(("start_script",), "the base is none of Azure ML's images for inference, by its name"),
        **dict.fromkeys(("base_python_named", "named_base"), "only the build knows the base"),
    },
    "image": {
        **dict.fromkeys(("variables", "server"), "nothing says that this is an image for Azure ML"),
        **dict.fromkeys(
            ("script", "places", "used", "entry", "points", "reserved"), "no entry script is found in the image"
        ),
        **dict.fromkeys(
            ("base", "base_python_named", "used_by_base"), "its files leave a doubt, or not all were read"
        ),
        "azureml": "nothing says that this is an image for Azure ML",
        "start_script": "no start script of Azure ML's is found in the image",
        "no_packages": "other packages may be there than those that were found",
        **dict.fromkeys(
            ("lost_script", "near_model_folder", "unreadable"), "its files leave a doubt, or not all were read"
        ),
    },
}
"""The same where it is otherwise for a kind of input."""


def unchecked(project: Checked) -> Mapping[str, str]:
    """The rules that were not run, by id, each with what it lacks: what may stand behind `since`."""
    lacks = _LACKS | _LACKS_OF.get(project.report.kind.name, {})
    if any("project" in facts for facts in project.report.unchecked.values()):
        lacks |= dict.fromkeys(("script", "places", "given", "base_python_named", "named_base"), lacks["project"])
    return {id: lacks.get(facts[0], f"{facts[0]} is not known") for id, facts in project.report.unchecked.items()}
