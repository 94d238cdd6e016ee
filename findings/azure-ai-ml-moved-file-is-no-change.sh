#!/usr/bin/env bash
#
# What: model/ has vocab.txt, and beside it tokenizer/tokenizer.json. It is uploaded by azure-ai-ml as version 1. Then
#   vocab.txt is moved into tokenizer/, and the model is uploaded as version 2: nothing is sent, and version 2 has
#   version 1's folder, with vocab.txt where it was. No word of it. So it is with the folder that an environment is built
#   from: after such a move the nameless environment has the version it had, and its image is not built again.
#   A folder of code is looked at in another way, and the same move is seen.
#
# Seen with: azure-ai-ml 1.35.2, the newest, marshmallow 3.26.2, azure-storage-blob 12.31.1. Needs Python 3.9 to 3.13.
#
# Why one would guess otherwise: what is uploaded is found again by a SHA-256 of the folder, and a changed byte, name or
#   folder gives another one. But that is taken of names and contents in the order in which they come, with nothing that
#   says where a folder ends. A file that comes right after a folder is then the same as the last file in it.
#
# In whose way: whoever tidies a model's files into folders, or takes them out. The code that goes with it looks in the
#   new place, and finds nothing there in Azure; the folder on disk is right. Registering again does not help, nor does a
#   new name. Instead: change some file with it, such as one with a version in it.

set -euo pipefail

if ! python3 -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'; then
    echo "this needs Python 3.9 to 3.13"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

cat >"$work/try.py" <<'PYTHON'
import http.server
import logging
import shutil
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from azure.ai.ml import load_online_deployment
from azure.ai.ml._artifacts._blob_storage_helper import BlobStorageClient
from azure.ai.ml._utils._asset_utils import get_object_hash
from azure.ai.ml.entities._assets._artifacts.code import Code

logging.disable(logging.CRITICAL)
stored = {}


class Container(http.server.BaseHTTPRequestHandler):
    """As much of a container of Azure's blob storage as an upload asks for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers):
        self.send_response(status)
        for name, value in {"Content-Length": "0", "ETag": '"1"', **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_PUT(self):
        asked = urlsplit(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        stored[unquote(asked.path)] = {
            name: value for name, value in self.headers.items() if name.lower().startswith("x-ms-meta-")
        }
        self.answer(200 if "comp=metadata" in asked.query else 201, {"x-ms-request-server-encrypted": "true"})

    def do_HEAD(self):
        found = stored.get(unquote(urlsplit(self.path).path))
        if found is None:
            self.answer(404, {"x-ms-error-code": "BlobNotFound"})
        else:
            self.answer(200, {"x-ms-blob-type": "BlockBlob", **found})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Container)
threading.Thread(target=server.serve_forever, daemon=True).start()


def lay(files):
    """The files, as a model, as code and as what an environment is built from."""
    for folder in "model", "code", "context":
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    Path("context/Dockerfile").write_text("FROM example.org/base:1\nCOPY . /opt/files\n")


def upload(number):
    """Upload the model as that version: how many files are sent, and which files it then has."""
    client = BlobStorageClient(None, f"http://127.0.0.1:{server.server_port}/account", "container")
    before = len(stored)
    made = client.upload("model", "words", number, asset_hash=get_object_hash("model"), show_progress=False)
    top = f"/account/container/{made['remote path']}/"
    return f"{len(stored) - before} sent, has {', '.join(sorted(s[len(top):] for s in stored if s.startswith(top)))}"


print(f"azure-ai-ml {version('azure-ai-ml')}, azure-storage-blob {version('azure-storage-blob')}")
Path("deployment.yml").write_text(
    "name: blue\nendpoint_name: shop\ninstance_type: Standard_F2s_v2\ninstance_count: 1\n"
    "model:\n  path: model\nenvironment:\n  build:\n    path: context\n"
)
FLAT = {"model.onnx": "weights", "tokenizer/tokenizer.json": "{}", "vocab.txt": "a b c"}
MOVED = {"model.onnx": "weights", "tokenizer/tokenizer.json": "{}", "tokenizer/vocab.txt": "a b c"}
CHANGED = {**MOVED, "tokenizer/vocab.txt": "a b c d"}
found = {}
for number, (name, files) in enumerate({"flat": FLAT, "moved": MOVED, "changed": CHANGED}.items(), 1):
    lay(files)
    deployment = load_online_deployment("deployment.yml")
    found[name] = (deployment.model.name, deployment.environment.version, Code(path="code")._hash_sha256, upload(str(number)))
    print(f"  {', '.join(files)}")
    for what, digest in zip(("model", "environment", "code"), found[name]):
        print(f"    {what:11} {digest[:16]}")
    print(f"    version {number}: {found[name][3]}")

different = []
for number, (what, same) in enumerate({"model": True, "environment": True, "code": False}.items()):
    if (found["moved"][number] == found["flat"][number]) is not same:
        different.append(f"a moved file gives the {what} {'another' if same else 'the same'} name")
    if found["changed"][number] == found["moved"][number]:
        different.append(f"a changed file gives the {what} the same name")
for name, before in {
    "flat": "3 sent, has model.onnx, tokenizer/tokenizer.json, vocab.txt",
    "moved": "0 sent, has model.onnx, tokenizer/tokenizer.json, vocab.txt",
    "changed": "3 sent, has model.onnx, tokenizer/tokenizer.json, tokenizer/vocab.txt",
}.items():
    if found[name][3] != before:
        different.append(f"{name}: {found[name][3]}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q azure-ai-ml==1.35.2 marshmallow==3.26.2 azure-storage-blob==12.31.1
cd "$work"
"$work/venv/bin/python" try.py 2>"$work/noise" || { status=$?; cat "$work/noise" >&2; exit "$status"; }
