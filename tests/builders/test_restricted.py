"""An image with runit and nginx within the limits of a restricted pod: it serves, and what they stop is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml import Options, lay_out, load_project, local_builder
from dagger_aml.serving.failure import StartFailed
from dagger_aml.serving.serve import serve
from tests.support.builders import need_programs
from tests.support.projects import SCORE, make

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

WRITES = 'from pathlib import Path\n\n\ndef init():\n    Path(__file__).with_name("cache").write_text("")\n'


@pytest.mark.parametrize("runtime", ["docker", "podman"])
async def test_an_image_serves_as_any_user_with_a_read_only_root(
    bases: dict[str, str], tmp_path: Path, runtime: str
) -> None:
    need_programs(runtime)
    builder = local_builder(runtime)
    for name, script in (("fine", SCORE), ("writes", SCORE.replace("def init():\n    pass\n", WRITES))):
        root = make(tmp_path / name, {"score.py": script})
        graph = await lay_out(load_project(root, Options(base=bases["classic"])))
        started = serve(graph, builder, restricted=True, offline=True, ready_timeout=60)
        if name == "fine":
            async with started as endpoint:
                assert endpoint.uid == 12345
                scored = await endpoint.score({"a": 1})
                assert (scored.status, scored.json) == (200, '{"a": 1}'), endpoint.logs()
            continue
        with pytest.raises(StartFailed) as caught:
            await started.__aenter__()
        assert caught.value.cause.kind == "write" and "Write to /tmp" in str(caught.value.hint)
        assert "init() cannot write /var/azureml-app/cache" in caught.value.message
