"""What to install for an import that failed: names that differ, as people meet them in entry scripts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from .brings import table

PYPI = {
    "Crypto": "pycryptodome",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "attr": "attrs",
    "azure.identity": "azure-identity",
    "azure.storage.blob": "azure-storage-blob",
    "azure.keyvault.secrets": "azure-keyvault-secrets",
    "azureml.ai.monitoring": "azureml-ai-monitoring",
    "azureml.core": "azureml-core",
    "bs4": "beautifulsoup4",
    "catboost": "catboost",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "google.cloud.storage": "google-cloud-storage",
    "grpc": "grpcio",
    "inference_schema": "inference-schema",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "lightning": "lightning",
    "magic": "python-magic",
    "onnxruntime": "onnxruntime",
    "osgeo": "GDAL",
    "past": "future",
    "pkg_resources": "setuptools<81",
    "psycopg2": "psycopg2-binary",
    "pythoncom": "pywin32",
    "sentence_transformers": "sentence-transformers",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "snappy": "python-snappy",
    "talib": "TA-Lib",
    "umap": "umap-learn",
    "win32api": "pywin32",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
"""Import name -> name on PyPI, where they differ (or where one is commonly taken for the other). Of several packages
that give one import, the one that needs no display and no compiler."""


APT = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libatlas.so.3": "libatlas3-base",
    "libgeos_c.so.1": "libgeos-c1v5",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "libgfortran.so.5": "libgfortran5",
    "libhdf5.so.103": "libhdf5-103-1",
    "liblapack.so.3": "liblapack3",
    "libmagic.so.1": "libmagic1",
    "libodbc.so.2": "unixodbc",
    "libopenblas.so.0": "libopenblas0",
    "libpq.so.5": "libpq5",
    "libquadmath.so.0": "libquadmath0",
    "libsndfile.so.1": "libsndfile1",
    "libspatialindex_c.so.6": "libspatialindex6",
    "libtbb.so.12": "libtbb12",
    "libxcb.so.1": "libxcb1",
    "libxml2.so.2": "libxml2",
    "libzbar.so.0": "libzbar0",
    "libstdc++.so.6": "libstdc++6",
}
"""Shared library -> Debian or Ubuntu package (names of Debian 12 and Ubuntu 22.04)."""


def packages_of(module: str) -> tuple[str, ...]:
    """The packages that are known to give an import, by its longest known name; the one to take first.

    Empty where none is known. A name is never made up of the module's: whoever registers it could then have it
    installed.

    :param module: ``sklearn.linear_model``.
    """
    givers = table().givers
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in PYPI:
            return (PYPI[name],)
        if name in givers:
            return tuple(sorted(givers[name], key=lambda package: -_alike(package, parts)))
    return ()


def _alike(package: str, parts: Sequence[str]) -> int:
    """With how many parts of a module's name a package's begins: ``opencensus-ext-azure`` has three of
    ``opencensus.ext.azure.log_exporter``."""
    pairs = zip(package.lower().split("-"), parts, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def apt_name(library: str) -> str | None:
    """The apt package that has a shared library, where it is known."""
    return APT.get(library)
