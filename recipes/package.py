"""The layout of ``Model.package()``: code in a folder of its own name, models registered with name and version.

After Microsoft's "Package models" and SDK v1's ``azureml.core.Model.package``, whose support ended in June 2026.
"""

from dagger_aml import Graph, Project
from dagger_aml.steps import apt, base, code, env, labels, mlflow_script, model, pip, server


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
    if project.requirements or project.pip:
        graph = await pip(
            graph,
            project.requirements,
            more=project.pip,
            root=project.root,
            installer=project.installer,
            check=project.pip_check,
            conda=project.conda,
        )
    for each in project.models:
        graph = await model(graph, each, root=project.models_root)
    if project.code:
        graph = await code(
            graph,
            project.code,
            script=project.entry_script,
            of=project.code_of,
            below=project.source_directory,
            leave_out=project.other_parts,
            keep=project.kept,
            root=project.root,
        )
    elif project.mlflow:
        graph = await mlflow_script(graph, project.mlflow.folder)
    graph = await labels(graph, project.labels)
    return await env(graph, project.env)
