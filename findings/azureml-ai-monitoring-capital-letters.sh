#!/usr/bin/env bash
#
# What: a collection whose name has a capital letter cannot be used with azureml-ai-monitoring. The deployment's names are
#   read in small letters and the name that Collector() is given is looked up as it is: with `Model_Inputs` in both
#   places it is "not enabled", and the constructor, mostly called by init(), raises. Small letters in the script alone
#   find it.
#
# Seen with: azureml-ai-monitoring 1.0.0.
#
# Why one would guess otherwise: the same text stands in the deployment and in the script, and the service takes any string
#   as a collection's name. Both ways of comparing are usual, by letters or not; here one side is folded.
#
# In whose way: the deployment is accepted and its container then fails in init(), with a sentence that sends the reader to
#   a deployment file that does enable it. Instead: small letters in both places.

set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q azureml-ai-monitoring==1.0.0

cat > "$work/collect.py" <<'PY'
import json
import os
import sys
from importlib.metadata import version

config = os.path.join(sys.argv[1], "collections.json")
with open(config, "w") as file:
    json.dump({"runMode": "local", "collections": {"Model_Inputs": {"enabled": True, "sampleRatePercentage": 100}}}, file)
os.environ["AZUREML_MDC_CONFIG_PATH"] = config

from azureml.ai.monitoring import Collector

print("azureml-ai-monitoring", version("azureml-ai-monitoring"))
seen = {}
for name in ["Model_Inputs", "model_inputs"]:
    problems = []
    Collector(name=name, on_error=problems.append)
    seen[name] = [str(each) for each in problems]
    print(f"the deployment enables Model_Inputs, the script says {name}:", seen[name] or "fine")
try:
    Collector(name="Model_Inputs")
    raised = False
except Exception as error:
    raised = True
    print("without on_error, Collector(name='Model_Inputs') raises:", error)

if raised and seen["Model_Inputs"] and not seen["model_inputs"]:
    print("as described")
else:
    print("changed: the first was to be refused and the second to be found")
    sys.exit(1)
PY
"$work/venv/bin/python" "$work/collect.py" "$work"
