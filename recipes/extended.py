"""The prebuilt image, extended when it is built: the default, and the one to take unless another fits better.

After Microsoft's how-to "Extend a prebuilt Docker image". apt packages and requirements are installed into the
image, models and code are copied in; user and command stay the base's own.
"""

from dagger_aml import Graph, Project
from dagger_aml.steps import apt, base, code, env, labels, mlflow_script, model, packages_files, pip, server


async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    if project.server:
        graph = await server(
            graph,
            project.requirements,
            more=project.pip,
            root=project.root,
            installer=project.installer,
            check=project.pip_check,
            conda=project.conda,
        )
    if project.apt:
        graph = await apt(graph, project.apt)
    listed = bool(project.requirements or project.pip)
    if listed and project.packages_as == "installed":
        graph = await pip(
            graph,
            project.requirements,
            more=project.pip,
            root=project.root,
            installer=project.installer,
            check=project.pip_check,
            conda=project.conda,
        )
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
    if listed and project.packages_as == "files":
        graph = await packages_files(
            graph,
            project.requirements,
            more=project.pip,
            root=project.root,
            check=project.pip_check,
            conda=project.conda,
        )
    for each in project.models:
        graph = await model(graph, each, root=project.models_root)
    graph = await labels(graph, project.labels)
    return await env(graph, project.env)
