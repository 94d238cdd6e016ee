"""The same image by dagger-io alone, as who knows Dagger would write it: what changes least comes first.

`published` is the code that is compared; the rest reads from the engine's spans what it had from before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import dagger

from dagger_aml import connect
from dagger_aml.events import Event

APP = "/var/azureml-app"
INSTALL = """
apt-get update && apt-get install -y --no-install-recommends "$@" && apt-get clean && rm -rf /var/lib/apt/lists/*
"""

CALLS = {
    "Container.withExec": ("apt", "pip"),
    "Container.withFile": ("requirements",),
    "Container.withDirectory": ("model", "code"),
}
"""The calls that make layers, and what they are for, in the order of `published`."""


async def published(
    client: dagger.Client, folder: Path, base: str, env: Mapping[str, str], labels: Mapping[str, str], reference: str
) -> str:
    """Build and push."""
    project = client.host().directory(str(folder), include=["code", "model", "requirements.txt"])
    container = (
        client.container()
        .from_(base)
        .with_user("root")
        .with_exec(["sh", "-c", INSTALL, "apt", *(folder / "apt.txt").read_text().split()])
        .with_user("dockeruser")
        .with_file("/tmp/requirements.txt", project.file("requirements.txt"))
        .with_exec(["pip", "install", "--no-cache-dir", "-r", "/tmp/requirements.txt"])
        .with_directory(f"{APP}/azureml-models/p/1", project.directory("model"))
        .with_directory(APP, project.directory("code"), owner="dockeruser")
        .with_env_variable("AZUREML_ENTRY_SCRIPT", "score.py")
        .with_env_variable("AZUREML_MODEL_DIR", f"{APP}/azureml-models/p/1")
    )
    for name, value in env.items():
        container = container.with_env_variable(name, value)
    for name, value in labels.items():
        container = container.with_label(name, value)
    return await container.publish(reference)


async def main(folder: str, base: str, env: str, labels: str, reference: str) -> None:
    """Print the names of the steps that the engine carried out, as a JSON list."""

    def on_event(_: Event) -> None:
        """Spans are received where somebody listens."""

    async with connect(on_event=on_event) as engine:
        assert engine.spans is not None, "$OTEL_EXPORTER_OTLP_ENDPOINT sends the engine's spans elsewhere"
        work = engine.spans.work()
        with work.asking():
            await published(engine.client, Path(folder), base, json.loads(env), json.loads(labels), reference)
        for _ in range(100):
            if work.ended("Container.publish"):
                break
            await anyio.sleep(0.05)
        ran = []
        for call, names in CALLS.items():
            spans = sorted((each for each in work.spans.values() if each.name == call), key=lambda each: each.began)
            assert len(spans) == len(names), f"{len(spans)} spans of {call}"
            ran += [name for name, span in zip(names, spans, strict=True) if not span.cached]
    print(json.dumps(ran))


if __name__ == "__main__":
    anyio.run(lambda: main(*sys.argv[1:]))
