# Written by dagger-aml <version> from uv-lock
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
# warning: the packages of requirements.txt are installed at every start: starts are slower and need the network, and replicas can differ if a version is not pinned [AML304]
#   For production, use the `extended` or `preinstalled` recipe.
# warning: possible problem, which only a probe of the base image can confirm: the base image's start script (/var/runit/gunicorn/run) ignores AZUREML_EXTRA_REQUIREMENTS_TXT: today's curated images no longer support it, so the packages would be missing without an error [AML603]
#   Use the `extended` recipe.

FROM --platform=linux/amd64 mcr.microsoft.com/azureml/minimal-py312-inference:latest

# code (1 file)
COPY ["context/empty/e/", "/var/"]
COPY --chown=1000:1000 ["context/1/k/", "/var/azureml-app/"]

# write requirements.txt
COPY ["context/empty/e/", "/var/azureml-app/"]
COPY --chown=0:0 ["context/2/k/", "/var/azureml-app/"]

# image config
ENV AZUREML_ENTRY_SCRIPT="score.py"
ENV AZUREML_EXTRA_REQUIREMENTS_TXT="requirements.txt"
LABEL "io.dagger-aml.plan"="{\"schema\":1,\"encoding\":1,\"config\":\"000000000000\",\"steps\":[[\"code (1 file)\",\"/var/azureml-app\",\"000000000000\"],[\"write requirements.txt\",\"/var/azureml-app/requirements.txt\",\"000000000000\"]]}"
LABEL "io.dagger-aml.version"="<version>"
LABEL "org.opencontainers.image.base.name"="mcr.microsoft.com/azureml/minimal-py312-inference:latest"
