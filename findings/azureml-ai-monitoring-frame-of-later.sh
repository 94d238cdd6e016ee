#!/usr/bin/env bash
#
# What: azureml-ai-monitoring's collect() keeps the DataFrame itself, and a thread turns it into JSON when its turn comes.
#   What run() does to the frame after collect(), such as adding the predictions to it, can be in the collected inputs.
#   Whether it is depends on how fast what was collected before is taken: nothing is said, and with one request on an
#   idle machine it mostly looks right.
#
# Seen with: azureml-ai-monitoring 1.0.0, pandas 2.3.3.
#
# Why one would guess otherwise: a call that takes data, answers at once with a context, and says "accepted", has taken
#   the data. The documented example collects the inputs, predicts, and collects the outputs, in that order.
#
# In whose way: drift is then measured between training data and inputs that have a column more, or scaled values, in
#   some rows and not in others. Instead: `collect(frame.copy())`.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q azureml-ai-monitoring==1.0.0 pandas==2.3.3

cat > "$work/collect.py" <<'PY'
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

# Stands for the collector beside the model's server: busy with the first frame until it is told to go on.
taken, go_on, received = threading.Event(), threading.Event(), []


class Collecting(BaseHTTPRequestHandler):
    def do_POST(self):
        received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        taken.set()
        go_on.wait(30)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Collecting)
threading.Thread(target=server.serve_forever, daemon=True).start()
config = os.path.join(sys.argv[1], "collections.json")
with open(config, "w") as file:
    json.dump({"collections": {"model_inputs": {"enabled": True, "sampleRatePercentage": 100}}}, file)
os.environ.update(
    AZUREML_MDC_CONFIG_PATH=config, AZUREML_MDC_HOST="127.0.0.1", AZUREML_MDC_PORT=str(server.server_port), NO_PROXY="*"
)

import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.init import teardown

print("azureml-ai-monitoring", version("azureml-ai-monitoring"), "pandas", version("pandas"))
inputs = Collector(name="model_inputs")


def run(rooms):
    frame = pd.DataFrame({"rooms": rooms})
    inputs.collect(frame)
    frame["price"] = frame["rooms"] * 100
    return frame["price"].tolist()


frame = pd.DataFrame({"rooms": [1]})
inputs.collect(frame)
taken.wait(30)
print("run() answers", run([2]), "while the frame before it is still on its way")
go_on.set()
teardown(wait_for_flush=True)
print("collected as inputs:", json.dumps(received))

if received == [[{"rooms": 1}], [{"rooms": 2, "price": 200}]]:
    print("as described")
else:
    print("changed: the second frame was collected as", received[1:])
    sys.exit(1)
PY
"$work/venv/bin/python" "$work/collect.py" "$work"
