"""``pip check`` before and after packages are installed, in the command that installs them."""

from __future__ import annotations

from typing import Final

from ..graph.values import Value
from .installer import PYTHON

ENVIRONMENT: Final = "environment"
"""What :func:`checked` is told of packages that go into the base's own environment."""

_SCRIPT: Final = """\
# pip check, the command, pip check: fail on what the command broke
import importlib, os, re, subprocess, sys
try:
    from importlib import metadata
except ImportError:  # Before Python 3.8.
    metadata = None

def plain(name):
    return re.sub('[-_.]+', '-', name).lower()

def installed():
    importlib.invalidate_caches()
    found = {}
    for each in metadata.distributions() if metadata else ():
        try:
            name, asks = each.metadata.get('Name') or '', each.requires or ()
        except FileNotFoundError:  # Python 3.15 says so of one removed half.
            continue
        wanted = [line for line in asks if 'extra' not in line.partition(';')[2]]
        names = [re.match('[A-Za-z0-9_.-]+', line) for line in wanted]
        found[plain(name)] = each.version, {plain(name[0]) for name in names if name}
    return found

def reached(packages, roots):
    seen, waiting = set(), list(roots)
    while waiting:
        name = waiting.pop()
        if name in packages and name not in seen:
            seen.add(name)
            waiting += packages[name][1]
    return seen

def pip(*words, err=None):
    argv = [sys.executable, '-m', 'pip', *words]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=err, universal_newlines=True)

def broken():
    check = pip('check')
    lines = check.stdout.splitlines() or ['pip check ended with exit code %d' % check.returncode]
    return {line.split(', but you have ')[0]: line for line in lines if check.returncode}

into, command = sys.argv[1], sys.argv[2:]
before, were = broken(), installed()
code = subprocess.call(command)
if code:
    sys.exit(code if code > 0 else 128 - code)
if into != 'environment':
    os.environ['PYTHONPATH'] = os.pathsep.join([into, *filter(None, [os.environ.get('PYTHONPATH')])])
added = {asks: line for asks, line in broken().items() if asks not in before}
if not added:
    sys.exit()
# What came with packages that are there no more, or in another version, is needed by nobody now.
are, needed = installed(), {name for _, wanted in were.values() for name in wanted}
top = {name for name in were if name not in needed}
changed = {name for name in are if name not in were or are[name][0] != were[name][0]}
idle = reached(were, top) - reached(are, top | changed)
told = [line for asks, line in added.items() if plain(asks.partition(' ')[0]) in idle]
added = {asks: line for asks, line in added.items() if line not in told}
if told:
    print('pip check finds of packages that nothing needs any more:', *('  ' + line for line in told), sep=os.linesep)
if not added:
    sys.exit()
# With no index, pip fails unless all that the server needs is there already.
server = ('-qqq', '--isolated', 'install', '--no-index', 'azureml-inference-server-http')
fits = not pip(*server, err=subprocess.DEVNULL).returncode
say = ['Since these packages were installed, pip check finds:', *('  ' + line for line in added.values())]
if fits and into != 'environment':
    print(*say, 'The inference server needs none of the packages that complain.', sep=os.linesep)
    sys.exit()
asked = [asks.split(' has requirement ')[1] for asks in added if ' has requirement ' in asks]
say.append('Change your requirements' + (' so that pip installs ' + ' and '.join(asked) if asked else '') + '.')
if fits:
    say.append('Or use the preinstalled recipe: the inference server needs none of the packages that complain.')
sys.exit(os.linesep.join([*say, 'Or build without this check: --no-pip-check.']))
"""


def checked(command: tuple[Value, ...], into: str = ENVIRONMENT) -> tuple[Value, ...]:
    """A command that installs packages, between two times ``pip check``; it fails on what it broke itself.

    What the base's packages lacked before is no fault of the build's. A package that came with another one, which the
    command replaced by a version that does without it, is told of and fails nothing: Azure's own samples pin an older
    inference server, and what the newer one needed stays behind. Packages in a folder of their own may
    contradict packages of the base that the inference server does not need: nobody imports these then.

    :param into: the folder that the packages go into, :data:`ENVIRONMENT` for the base's own environment.
    """
    return (PYTHON, "-c", _SCRIPT, into, *command)
