#!/usr/bin/env bash
#
# What: a deployment file of Azure ML's CLI v2 says `environment: file:envs/env.yml`, and that file has an image but no
#   `name`. azure-ai-ml then reads envs/envs/env.yml, a file that nothing names: if there is one, its image is
#   deployed without a word; if there is none, the error says that envs/envs/env.yml does not exist. After that the
#   deployment's code is resolved from envs/ as well, not from the deployment file's folder.
#   With `name: x` in envs/env.yml, or with env.yml beside the deployment file, all is as one expects.
#
# Seen with: azure-ai-ml 1.35.2, the newest, with marshmallow 3.26.2. Needs Python 3.9 to 3.13.
#
# Why one would guess otherwise: the same environment, written into the deployment file, needs no name, and in the same
#   folder a nameless file is read well. But each such file is tried twice, as a named environment and as an anonymous
#   one. The first try enters the file's folder, and leaves it again only where it succeeds; the second starts from there.
#
# In whose way: who moves env.yml into a folder and keeps an older copy in a folder of the same name below it, or lets
#   a tool write both. Instead: give every environment file a name.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.9 to 3.13"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/try.py" <<'PYTHON'
import logging
import sys
from importlib.metadata import version
from pathlib import Path

from azure.ai.ml import load_online_deployment

logging.disable(logging.CRITICAL)
root = Path(sys.argv[1])
TEXT = "name: blue\nendpoint_name: shop\ninstance_type: Standard_F2s_v2\nenvironment: file:{}\n"


def seen(name, reference, files):
    """What is read: the environment's image, and the folder that the code is relative to."""
    folder = root / name
    for path, text in {**files, "deployment.yml": TEXT.format(reference)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    try:
        found = load_online_deployment(folder / "deployment.yml")
    except Exception as error:
        missing = [line for line in str(error).splitlines() if "No such file" in line]
        said = missing[0].strip().strip('"').replace(f"{folder}/", "") if missing else type(error).__name__
        return f"error: {said}"
    return f"{found.environment.image}, code from {Path(found.base_path).relative_to(folder)}/"


right, other = "image: example.org/right:1\n", "image: example.org/other:1\n"
SHOWN = (
    ("named", "envs/env.yml", {"envs/env.yml": "name: e\n" + right, "envs/envs/env.yml": other}),
    ("beside", "env.yml", {"env.yml": right}),
    ("nameless", "envs/env.yml", {"envs/env.yml": right}),
    ("nameless-and-a-copy", "envs/env.yml", {"envs/env.yml": right, "envs/envs/env.yml": other}),
)
EXPECTED = {
    "named": "example.org/right:1, code from ./",
    "beside": "example.org/right:1, code from ./",
    "nameless": "error: No such file or directory: envs/envs/env.yml",
    "nameless-and-a-copy": "example.org/other:1, code from envs/",
}
print(f"azure-ai-ml {version('azure-ai-ml')}, marshmallow {version('marshmallow')}")
different = []
for name, reference, files in SHOWN:
    got = seen(name, reference, files)
    print(f"  file:{reference}, {', '.join(files)}{' with a name' if name == 'named' else ''}\n    -> {got}")
    if got != EXPECTED[name]:
        different.append(f"{name}: {got}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q azure-ai-ml==1.35.2 marshmallow==3.26.2
"$work/venv/bin/python" "$work/try.py" "$work/files"
