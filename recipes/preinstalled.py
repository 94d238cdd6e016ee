"""Packages in a folder beside the code, the base's environment untouched: starts with no network.

After the "preinstalled Python packages" of Microsoft's "Python package extensibility for prebuilt Docker images".
The folder is made inside the very base image, or is the user's own (``[preinstalled] path``).
"""

from dagger_aml import Graph, Project
from dagger_aml.steps import (
    base,
    code,
    env,
    labels,
    mlflow_script,
    model,
    no_apt,
    packages,
    packages_files,
    packages_folder,
)


async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    graph = await no_apt(graph, project.apt)
    for each in project.models:
        graph = await model(graph, each, root=project.models_root)
    if project.code:
        graph = await code(
            graph,
            project.code,
            script=project.entry_script,
            of=project.code_of,
            leave_out=project.other_parts,
            keep=project.kept,
            root=project.root,
        )
    elif project.mlflow:
        graph = await mlflow_script(graph, project.mlflow.folder)
    if project.preinstalled:
        name = project.preinstalled_name
        graph = await packages_folder(graph, project.preinstalled, name, via=project.via)
    elif project.packages_as == "files" and (project.requirements or project.pip):
        graph = await packages_files(
            graph,
            project.requirements,
            more=project.pip,
            via=project.via,
            root=project.root,
            check=project.pip_check,
            conda=project.conda,
        )
    elif project.requirements or project.pip:
        graph = await packages(
            graph,
            project.requirements,
            more=project.pip,
            via=project.via,
            root=project.root,
            installer=project.installer,
            check=project.pip_check,
            conda=project.conda,
        )
    graph = await labels(graph, project.labels)
    return await env(graph, project.env)
