"""The files that have rules, and those of them that an input of each kind has a use for: no more is loaded for it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import import_module

from .known import Input
from .rule import RULES, Rule

_DEPLOYED: tuple[Input, ...] = ("deployment file",)
_PROJECT: tuple[Input, ...] = ("project", *_DEPLOYED)
_LISTED: tuple[Input, ...] = (*_PROJECT, "list of packages")
_IMAGE: tuple[Input, ...] = (*_PROJECT, "Dockerfile")
_DOCKERFILE: tuple[Input, ...] = ("Dockerfile",)
_INSTALLED: tuple[Input, ...] = ("folder of packages",)
_FINISHED: tuple[Input, ...] = ("image",)

MODULES: Mapping[str, tuple[Input, ...]] = {
    "entry_script": _PROJECT,
    "entry_script_image": _FINISHED,
    "entry_script_contract": (*_PROJECT, *_FINISHED),
    "entry_script_values": (*_PROJECT, *_FINISHED),
    "variables": (*_IMAGE, *_FINISHED),
    "variables_code": (*_PROJECT, *_FINISHED),
    "packages": _PROJECT,
    "packages_apt": _IMAGE,
    "packages_conda": _LISTED,
    "packages_image": _FINISHED,
    "packages_imports": _PROJECT,
    "packages_lists": _LISTED,
    "packages_server": _LISTED,
    "models": _PROJECT,
    "models_layout": _PROJECT,
    "models_artifacts": _PROJECT,
    "models_image": _FINISHED,
    "code": _PROJECT,
    "code_downloads": (*_PROJECT, *_FINISHED),
    "code_image": _FINISHED,
    "code_paths": _PROJECT,
    "code_python": (*_PROJECT, *_FINISHED),
    "code_reserved": (*_PROJECT, *_FINISHED),
    "code_serving": (*_PROJECT, *_FINISHED),
    "base": (*_IMAGE, *_FINISHED),
    "base_image": _FINISHED,
    "deployment_requests": _DEPLOYED,
    "deployment_image": _DEPLOYED,
    "dockerfile_base": _DOCKERFILE,
    "dockerfile_commands": _DOCKERFILE,
    "dockerfile_files": _DOCKERFILE,
    "dockerfile_user": _DOCKERFILE,
    "dockerfile_or_project": (*_IMAGE, *_FINISHED),
    "dockerfile_variables": (*_DOCKERFILE, *_FINISHED),
    "site_packages": _INSTALLED,
    "site_packages_files": _INSTALLED,
    "site_packages_needs": _INSTALLED,
}
"""Each file that has rules, with the kinds of input of which one of its rules at least takes the facts."""


def rules(input: Input | None = None) -> Mapping[str, Rule]:
    """Rules by their ids.

    :param input: the kind whose rules are wanted. Others may be among them, if they are loaded already. Every rule
        that there is unless given.
    """
    _load(input)
    return RULES


@functools.cache
def _load(input: Input | None) -> None:
    for module, inputs in MODULES.items():
        if input is None or input in inputs:
            import_module(f".{module}", __package__)
