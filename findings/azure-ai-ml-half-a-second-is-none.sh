#!/usr/bin/env bash
#
# What: a deployment has max_queue_wait_ms 500 and request_timeout_ms 1500; the service keeps them as PT0.5S and PT1.5S.
#   `ml_client.online_deployments.get()` of azure-ai-ml gives 0 and 1000: it cuts to whole seconds and then multiplies by
#   1000. Handed to begin_create_or_update(), as one does to change the number of instances, it sends PT1S for the
#   timeout, and leaves the other out, since 0 is taken for not given.
#
# Seen with: azure-ai-ml 1.35.2, the newest, marshmallow 3.26.2. Needs Python 3.9 to 3.13.
#
# Why one would guess otherwise: the unit is in the name, the same class writes milliseconds as they are, and what is got
#   and put again without a change should be no change. The documentation gives 500 as the default of max_queue_wait_ms, so
#   that it is the usual value that comes as 0. It does not speak of whole seconds; no issue was found that does.
#
# In whose way: scripts that get a deployment, change one thing and put it back; who shows settings or compares them with a
#   file, and finds a drift that is none, or none where there is one. A wait of 1.9 s is one of 1 s then, and one of 0.9 s
#   is not in the request at all. Whole seconds, as most timeouts are, hide it.
#   Instead: deploy from the file again; or set request_settings anew after get().

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
import json
import logging
import sys
import threading
import warnings
from importlib.metadata import version
from urllib.parse import urlsplit

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
ENDPOINT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop/providers/Microsoft.MachineLearningServices/workspaces/shop"
    "/onlineEndpoints/shop"
)


def deployment(settings):
    """As the service's REST API gives it."""
    return {
        "id": ENDPOINT + "/deployments/blue",
        "name": "blue",
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "location": "westeurope",
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "provisioningState": "Succeeded",
            "instanceType": "Standard_F2s_v2",
            "requestSettings": settings,
            "scaleSettings": {"scaleType": "Default"},
        },
    }


class Service(http.server.BaseHTTPRequestHandler):
    """As much of the service as is asked for one deployment."""

    stored = None
    put = None

    def log_message(self, *_):
        pass

    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        asked = urlsplit(self.path).path
        if asked.endswith("/deployments/blue"):
            self.answer(Service.stored)
        else:  # the endpoint and the workspace, which are asked for their place
            properties = {"authMode": "Key", "mlFlowTrackingUri": "azureml://example.org/mlflow/v1.0"}
            self.answer({"id": asked, "name": "shop", "location": "westeurope", "properties": properties})

    def do_PUT(self):
        Service.put = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(Service.stored)


class Here(RequestsTransport):
    """Sends what is meant for Azure to this machine."""

    def send(self, request, **options):
        asked = urlsplit(request.url)
        request.url = f"http://127.0.0.1:{server.server_port}{asked.path}?{asked.query}"
        return super().send(request, **options)


class Anyone:
    def get_token(self, *_, **__):
        return AccessToken("made-up", 4102444800)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
session = Here()
session.open()
session.session.trust_env = False
client = MLClient(Anyone(), SUBSCRIPTION, "shop", "shop", transport=session, enable_telemetry=False)

print(f"Python {sys.version.split()[0]}, azure-ai-ml {version('azure-ai-ml')}")
# What the service has: what get() gives, and what is put again.
EXPECTED = {
    ("PT0.5S", "PT1.5S"): (0, 1000, None, "PT1S"),
    ("PT1.9S", "PT1M30.5S"): (1000, 90000, "PT1S", "PT1M30S"),
    ("PT2S", "PT5S"): (2000, 5000, "PT2S", "PT5S"),
}
different = []
for (wait, timeout), before in EXPECTED.items():
    Service.stored = deployment(
        {"maxQueueWait": wait, "requestTimeout": timeout, "maxConcurrentRequestsPerInstance": 2}
    )
    found = client.online_deployments.get("blue", "shop")
    read = found.request_settings.max_queue_wait_ms, found.request_settings.request_timeout_ms
    found.instance_count = 2
    client.online_deployments.begin_create_or_update(found)
    sent = Service.put["properties"]["requestSettings"]
    got = (*read, sent.get("maxQueueWait"), sent.get("requestTimeout"))
    print(f"  the service has {wait} and {timeout}: get() gives {read[0]} and {read[1]} ms, put again as {got[2]} and {got[3]}")
    if got != before or Service.put["sku"]["capacity"] != 2:
        different.append(f"{wait}, {timeout}: {got}")
print("changed: " + "; ".join(different) if different else "as described")
sys.exit(bool(different))
PYTHON

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --only-binary :all: azure-ai-ml==1.35.2 marshmallow==3.26.2
cd "$work"
"$work/venv/bin/python" try.py 2>"$work/noise" || { status=$?; cat "$work/noise" >&2; exit "$status"; }
