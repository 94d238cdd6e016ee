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
RUN ["/usr/bin/env", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_CACHE_DIR=1", "PIP_NO_INPUT=1", "PIP_PROGRESS_BAR=off", "PIP_USER=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0", "PYTHONNOUSERSITE=1", "SOURCE_DATE_EPOCH=315532800", "/opt/miniconda/envs/amlenv/bin/python", "-c", "# pip check, the command, pip check: fail on what the command broke\
\nimport importlib, os, re, subprocess, sys\
\ntry:\
\n    from importlib import metadata\
\nexcept ImportError:  # Before Python 3.8.\
\n    metadata = None\
\n\ndef plain(name):\
\n    return re.sub('[-_.]+', '-', name).lower()\
\n\ndef installed():\
\n    importlib.invalidate_caches()\
\n    found = {}\
\n    for each in metadata.distributions() if metadata else ():\
\n        try:\
\n            name, asks = each.metadata.get('Name') or '', each.requires or ()\
\n        except FileNotFoundError:  # Python 3.15 says so of one removed half.\
\n            continue\
\n        wanted = [line for line in asks if 'extra' not in line.partition(';')[2]]\
\n        names = [re.match('[A-Za-z0-9_.-]+', line) for line in wanted]\
\n        found[plain(name)] = each.version, {plain(name[0]) for name in names if name}\
\n    return found\
\n\ndef reached(packages, roots):\
\n    seen, waiting = set(), list(roots)\
\n    while waiting:\
\n        name = waiting.pop()\
\n        if name in packages and name not in seen:\
\n            seen.add(name)\
\n            waiting += packages[name][1]\
\n    return seen\
\n\ndef pip(*words, err=None):\
\n    argv = [sys.executable, '-m', 'pip', *words]\
\n    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=err, universal_newlines=True)\
\n\ndef broken():\
\n    check = pip('check')\
\n    lines = check.stdout.splitlines() or ['pip check ended with exit code %d' % check.returncode]\
\n    return {line.split(', but you have ')[0]: line for line in lines if check.returncode}\
\n\ninto, command = sys.argv[1], sys.argv[2:]\
\nbefore, were = broken(), installed()\
\ncode = subprocess.call(command)\
\nif code:\
\n    sys.exit(code if code > 0 else 128 - code)\
\nif into != 'environment':\
\n    os.environ['PYTHONPATH'] = os.pathsep.join([into, *filter(None, [os.environ.get('PYTHONPATH')])])\
\nadded = {asks: line for asks, line in broken().items() if asks not in before}\
\nif not added:\
\n    sys.exit()\
\n# What came with packages that are there no more, or in another version, is needed by nobody now.\
\nare, needed = installed(), {name for _, wanted in were.values() for name in wanted}\
\ntop = {name for name in were if name not in needed}\
\nchanged = {name for name in are if name not in were or are[name][0] != were[name][0]}\
\nidle = reached(were, top) - reached(are, top | changed)\
\ntold = [line for asks, line in added.items() if plain(asks.partition(' ')[0]) in idle]\
\nadded = {asks: line for asks, line in added.items() if line not in told}\
\nif told:\
\n    print('pip check finds of packages that nothing needs any more:', *('  ' + line for line in told), sep=os.linesep)\
\nif not added:\
\n    sys.exit()\
\n# With no index, pip fails unless all that the server needs is there already.\
\nserver = ('-qqq', '--isolated', 'install', '--no-index', 'azureml-inference-server-http')\
\nfits = not pip(*server, err=subprocess.DEVNULL).returncode\
\nsay = ['Since these packages were installed, pip check finds:', *('  ' + line for line in added.values())]\
\nif fits and into != 'environment':\
\n    print(*say, 'The inference server needs none of the packages that complain.', sep=os.linesep)\
\n    sys.exit()\
\nasked = [asks.split(' has requirement ')[1] for asks in added if ' has requirement ' in asks]\
\nsay.append('Change your requirements' + (' so that pip installs ' + ' and '.join(asked) if asked else '') + '.')\
\nif fits:\
\n    say.append('Or use the preinstalled recipe: the inference server needs none of the packages that complain.')\
\nsys.exit(os.linesep.join([*say, 'Or build without this check: --no-pip-check.']))\
\n", "environment", "/opt/miniconda/envs/amlenv/bin/python", "-m", "pip", "install", "--requirement", "/usr/share/dagger-aml/requirements.txt"]

# model price 1.5 kB
COPY ["context/2/k/", "/var/azureml-app/azureml-models/price/3/"]

# model demand 272 B
COPY ["context/3/k/", "/var/azureml-app/azureml-models/demand/1/"]

# code (1 file)
COPY ["context/empty/e/", "/var/azureml-app/"]
COPY --chown=1000:1000 ["context/4/k/", "/var/azureml-app/code/"]

# image config
ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models"
ENV AZUREML_ENTRY_SCRIPT="code/score.py"
ENV AZUREML_SOURCE_DIRECTORY="code"
ENV WORKER_COUNT="2"
LABEL "io.dagger-aml.plan"="{\"schema\":1,\"encoding\":1,\"config\":\"000000000000\",\"steps\":[[\"copy requirements.txt\",\"/usr/share/dagger-aml/requirements.txt\",\"000000000000\"],[\"pip requirements.txt (7 packages)\",\"\",\"000000000000\"],[\"model price 1.5 kB\",\"/var/azureml-app/azureml-models/price/3/price.joblib\",\"000000000000\"],[\"model demand 272 B\",\"/var/azureml-app/azureml-models/demand/1\",\"000000000000\"],[\"code (1 file)\",\"/var/azureml-app/code\",\"000000000000\"]]}"
LABEL "io.dagger-aml.version"="<version>"
LABEL "org.opencontainers.image.base.name"="mcr.microsoft.com/azureml/minimal-py312-inference:latest"
USER dockeruser
