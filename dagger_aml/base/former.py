"""Azure ML's images for inference that there were once, or are not supported any more, and names that are near."""

from __future__ import annotations

import re

from ..text import pattern
from .catalog import IMAGES

_FORMER = """
tensorflow-1.15-ubuntu18.04-py37-cpu-inference
tensorflow-2.4-ubuntu18.04-py37-cpu-inference
tensorflow-2.4-ubuntu18.04-py37-cuda11.0.3-gpu-inference
pytorch-1.6-ubuntu18.04-py37-cpu-inference
pytorch-1.7-ubuntu18.04-py37-cpu-inference
pytorch-1.9-ubuntu18.04-py37-cpu-inference
pytorch-1.9-ubuntu18.04-py37-cuda11.0.3-gpu-inference
pytorch-1.10-ubuntu18.04-py37-cpu-inference
sklearn-0.24.1-ubuntu18.04-py37-cpu-inference
onnxruntime-1.6-ubuntu18.04-py37-cpu-inference
xgboost-0.9-ubuntu18.04-py37-cpu-inference
lightgbm-3.2-ubuntu18.04-py37-cpu-inference
mlflow-ubuntu18.04-py37-cpu-inference
mlflow-ubuntu20.04-py38-cpu-inference
minimal-ubuntu18.04-py37-cpu-inference
minimal-ubuntu18.04-py37-cuda11.0.3-gpu-inference
minimal-ubuntu20.04-py39-cpu-inference
mlflow-ubuntu20.04-py39-cpu-inference
"""

FORMER = frozenset({*_FORMER.split(), *(each.name for each in IMAGES if not each.supported)})
"""By Microsoft's lists of 2021 to 2024, without those that are supported now."""

_INFERENCE = pattern(r"(?:^|/)azureml/(?P<name>(?:curated/)?[^/:@]*inference[^/:@]*)(?:[:@]|$)", re.IGNORECASE)
_OF_ROOT = ("curated/foundation-model-inference",)
"""Images that are called so, and have root for their user and another server than the others."""

_OF_MICROSOFT = pattern(r"^mcr\.microsoft\.com/azureml/(?P<name>(?:curated/)?[^/:@]+)(?:[:@]|$)", re.IGNORECASE)
_PYTHON = pattern(r"-py(3)(\d+)(?:-|$)")


def inference_name(reference: str) -> str | None:
    """What stands behind ``azureml/`` in the name of an image with the inference server, whatever registry has it."""
    found = _INFERENCE.search(reference)
    return found["name"] if found and found["name"] not in _OF_ROOT else None


def is_former(name: str) -> bool:
    """Whether an image of a name (``curated/`` before it or not) was dropped."""
    return name not in _SUPPORTED and name.removeprefix("curated/") in FORMER


_SUPPORTED = frozenset(each.name for each in IMAGES if each.supported)


def near_name(reference: str) -> str | None:
    """The image that was meant by a name of Microsoft's registry that is none; None for one that there is, and for
    one that is near no other."""
    found = _OF_MICROSOFT.match(reference)
    name = found["name"] if found else ""
    known = _SUPPORTED | {each.removeprefix("curated/") for each in _SUPPORTED}
    if not name.removeprefix("curated/").startswith(("minimal-", "mlflow-py")) or name in known or is_former(name):
        return None
    import difflib

    python = _PYTHON.search(name)
    whole = [each for each in sorted(_SUPPORTED) if not python or f"-py3{python[2]}-" in each]
    near = difflib.get_close_matches(name, whole or sorted(_SUPPORTED), 1, 0.5)
    return near[0] if near else None


def python_of_name(name: str) -> str | None:
    """The Python of an image for inference, ``3.9``, as its name tells it."""
    found = _PYTHON.search(name)
    return f"{found[1]}.{found[2]}" if found else None
