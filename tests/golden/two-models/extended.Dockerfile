# Written by dagger-aml <version> from two-models
# Build it with: docker build -t NAME THIS_FOLDER
#
# Assumed facts of mcr.microsoft.com/azureml/minimal-py312-inference:latest:
# - user dockeruser is 1000:1000
# - Python environment /opt/miniconda/envs/amlenv, owner 1000:1000, Python 3.12
# - start script supports AZUREML_EXTRA_*: unknown
# - working directory /; no ONBUILD, no VOLUME
# - /var/azureml-app is a dir, owner 1000:1000, mode 0755
# `dagger-aml build` probes the real base image instead.
# The base image is not pinned by its digest. `dagger-aml dockerfile --pin` gets the digest from the registry.

FROM --platform=linux/amd64 mcr.microsoft.com/azureml/minimal-py312-inference:latest

# copy requirements.txt
COPY ["context/1/k/", "/usr/share/dagger-aml/"]

# pip requirements.txt (7 packages)
USER 1000:1000
RUN ["/usr/bin/env", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_CACHE_DIR=1", "PIP_NO_INPUT=1", "PIP_PROGRESS_BAR=off", "PIP_USER=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0", "PYTHONNOUSERSITE=1", "SOURCE_DATE_EPOCH=315532800", "/opt/miniconda/envs/amlenv/bin/python", "-m", "pip", "install", "--requirement", "/usr/share/dagger-aml/requirements.txt"]

# pip check
RUN ["/usr/bin/env", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_CACHE_DIR=1", "PIP_NO_INPUT=1", "PIP_PROGRESS_BAR=off", "PIP_USER=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0", "PYTHONNOUSERSITE=1", "SOURCE_DATE_EPOCH=315532800", "/opt/miniconda/envs/amlenv/bin/python", "-m", "pip", "check"]

# model price 1.5 kB
COPY ["context/2/k/", "/var/azureml-app/azureml-models/price/3/"]

# model demand 272 B
COPY ["context/3/k/", "/var/azureml-app/azureml-models/demand/1/"]

# code (1 file)
COPY ["context/empty/e/", "/var/"]
COPY --chown=1000:1000 ["context/4/k/", "/var/azureml-app/"]

# image config
ENV AZUREML_ENTRY_SCRIPT="score.py"
ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models"
ENV WORKER_COUNT="2"
LABEL "io.dagger-aml.plan"="{\"schema\":1,\"encoding\":1,\"steps\":[[\"copy requirements.txt\",\"/usr/share/dagger-aml/requirements.txt\",\"000000000000\"],[\"pip requirements.txt (7 packages)\",\"\",\"000000000000\"],[\"pip check\",\"\",\"000000000000\"],[\"model price 1.5 kB\",\"/var/azureml-app/azureml-models/price/3/price.joblib\",\"000000000000\"],[\"model demand 272 B\",\"/var/azureml-app/azureml-models/demand/1\",\"000000000000\"],[\"code (1 file)\",\"/var/azureml-app\",\"000000000000\"]]}"
LABEL "io.dagger-aml.version"="<version>"
LABEL "org.opencontainers.image.base.name"="mcr.microsoft.com/azureml/minimal-py312-inference:latest"
USER dockeruser
