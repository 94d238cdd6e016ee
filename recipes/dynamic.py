"""Packages installed each time the container starts: for trying things out.

After the "dynamic installation" of Microsoft's "Python package extensibility for prebuilt Docker images". Nothing is
installed when the image is built; its start script does it, from ``AZUREML_EXTRA_REQUIREMENTS_TXT``.
"""

from dagger_aml import Graph, Project
from dagger_aml.steps import base, code, env, labels, mlflow_script, model, no_apt, startup_packages


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
    if project.requirements or project.pip:
        graph = await startup_packages(graph, project.requirements, more=project.pip, conda=project.conda)
    graph = await labels(graph, project.labels)
    return await env(graph, project.env)
