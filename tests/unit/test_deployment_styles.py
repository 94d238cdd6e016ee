"""Deployment files in the styles of Azure's public examples: what is read of each, and the table of them in docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml import make_plan
from dagger_aml.errors import ProjectError
from dagger_aml.graph.graph import Copy
from dagger_aml.project.deployment.environment import check_routes
from dagger_aml.project.deployment.model import Deployment, Environment, LocalModel
from dagger_aml.project.deployment.read import read_deployment
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.deployment_styles import MINIMAL, OPENMPI, STYLES
from tests.support.markdown import ROOT, table
from tests.support.projects import laid_out

PAGE = ROOT / "docs" / "deployment-files.md"

IMAGES = {MINIMAL: "minimal", OPENMPI: "openmpi"}


def summary(found: Deployment, folder: Path) -> str:
    """What was read, as the table has it, in one line."""
    parts = ["Kubernetes"] if found.kind == "kubernetes" else []
    model, environment = found.model, found.environment
    if isinstance(model, LocalModel):
        named = f" as {model.name} {model.version}" if model.name else ""
        parts.append(f"{'mlflow ' * (model.type == 'mlflow_model')}model {model.path.relative_to(folder)}{named}")
    elif model:
        parts.append(f"registered model {registered(model)}")
    if found.code:
        parts += [f"code {found.code.relative_to(folder)}", f"script {found.scoring_script}"]
    if isinstance(environment, Environment):
        if environment.image:
            parts.append(f"image {IMAGES.get(environment.image, environment.image)}")
        if environment.build:
            parts.append(f"build {environment.build['path']}")
        if environment.conda:
            parts.append(f"conda {environment.conda.relative_to(folder)}")
        if environment.conda_inline:
            parts.append("conda inline")
        try:
            check_routes(environment)
        except ProjectError:
            parts.append("routes of another server")
    elif environment:
        parts.append(f"registered environment {registered(environment)}")
    if found.variables:
        parts.append("variables " + " ".join(f"{name}={value}" for name, value in found.variables.items()))
    parts += [f"to fill in {each.text}" for each in found.placeholders]
    return ", ".join(parts)


def registered(asset) -> str:
    """A registered asset in short."""
    version = f":{asset.version}" if asset.version else f"@{asset.label}"
    return f"{asset.name}{version}" + (f" of {asset.registry}" if asset.registry else "")


@for_each("style", STYLES, ids=lambda style: style.name)
def test_what_becomes_of_a_style(style, tmp_path):
    path = style.write(tmp_path)
    if style.read is None:
        with pytest.raises(ProjectError) as caught:
            read_deployment(path)
        assert style.refused in str(caught.value) and str(tmp_path) in (caught.value.location or "")
        return
    found = read_deployment(path)
    assert summary(found, tmp_path) == style.read
    for part in (getattr(found.model, "path", None), found.code, getattr(found.environment, "conda", None)):
        assert part is None or part.exists()


@for_each("style", [each for each in STYLES if each.read is not None], ids=lambda style: style.name)
def test_what_becomes_of_a_style_in_a_plan(style, tmp_path):
    path = style.write(tmp_path)
    if style.unplanned:
        assert style.unplanned in error_of(laid_out, path).message
        return
    if style.given:
        assert f'Options(model="{style.given.partition(":")[0]}:' in str(error_of(laid_out, path).hint)
    options = {"model": f"{style.given}={tmp_path / 'model'}"} if style.given else {}
    project, graph = laid_out(path, **options)
    places = [layer.dest for layer in make_plan(graph).layers if isinstance(layer, Copy)]
    assert project.deployment and any("/azureml-models/" in each for each in places)


def test_the_page_has_each_style():
    assert len(STYLES) >= 30 and len({style.name for style in STYLES}) == len(STYLES)
    shown = [tuple(row.values()) for row in table(PAGE, "Styles of Azure's examples")]
    assert shown == [
        (style.name, style.read if style.read is not None else f'refused: "{style.refused}"', style.outcome)
        for style in STYLES
    ]
