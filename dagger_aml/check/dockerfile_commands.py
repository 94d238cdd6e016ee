"""Rules about the commands of a Dockerfile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .. import contract
from ..finding import Finding
from . import mending
from .facts import NamedBase, Server
from .inputs.copies import Copied
from .inputs.dockerfile import InferenceBase, Ran
from .inputs.instructions import Dockerfile, Instruction, Word
from .inputs.shell import calls
from .inputs.stages import Built
from .rule import rule

_DASHES = "\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}\N{NON-BREAKING HYPHEN}\N{HYPHEN}"
_QUOTES = "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}"
_DASH = re.compile(rf"-?[{_DASHES}]-?(?=[A-Za-z])[A-Za-z-]*")
_NEAR = 60
_START = json.dumps(contract.START_COMMAND)
_VERSION = re.compile(r"(?:python|pip)(3\.\d+)")


@rule("AML720", "error")
def typography(dockerfile: Dockerfile) -> Iterator[Finding]:
    """A dash or a quote is one of typography, which no program takes for its own.

    Microsoft's page on extending a prebuilt image has `pip install –r`, with a dash that pip takes for the beginning
    of a package's name: "Invalid requirement". Word processors make such dashes and quotes as well.

    Bad `Dockerfile`:

        RUN pip install –r requirements.txt

    Good `Dockerfile`:

        RUN pip install -r requirements.txt

    Silent: within quotes and comments, and for a dash that stands alone.
    """
    for each in dockerfile.instructions:
        if each.text.isascii():
            continue
        for word in _bare_words(each):
            if found := _DASH.match(word.text):
                right = ("-" if len(found[0]) == 2 else "--") + found[0].lstrip(f"-{_DASHES}")
                location = each.at(Word(found[0], word.begin, word.begin + len(found[0])))
                written = f"{_before(each, word)}{right}"
                yield Finding(
                    f"{found[0]} begins with a dash of typography, which is no hyphen",
                    location=location,
                    hint=f"Write `{written}`.",
                    fixes=mending.key(location, found[0], right) if location.columns and len(found[0]) == 2 else (),
                )
            elif word.text[:1] in _QUOTES and word.text[:1]:
                yield Finding(
                    f"{word.text} stands in quotes of typography, which are part of it",
                    location=each.at(word),
                    hint='Write it in straight quotes, "…", or without any.',
                )


def _before(each: Instruction, word: Word) -> str:
    """The program and its first words, for what to write: ``pip install`` before ``-r``."""
    line = each.text[max(0, word.begin - _NEAR) : word.begin].rpartition("&&")[2].split()
    line = line[1:] if line and line[0].upper() == each.keyword else line
    return "".join(f"{part} " for part in line[-2:]) if all(part.isascii() for part in line[-2:]) else ""


def _bare_words(each: Instruction) -> Iterator[Word]:
    """The words that stand in no quotes."""
    if each.keyword in ("RUN", "CMD", "ENTRYPOINT"):
        for call in calls(each):
            if not each.json:
                yield from (word for word in call.words if each.text[word.begin : word.begin + 1] == word.text[:1])
    elif each.keyword in ("ADD", "COPY", "ENV", "ARG", "USER", "WORKDIR"):
        yield from each.words


@rule("AML721", "warning")
def another_python(inference: InferenceBase, ran: tuple[Ran, ...]) -> Iterator[Finding]:
    """Packages are installed for another Python than the one that runs the entry script.

    In Azure ML's images a Python of its own environment runs the server, and stands first on `PATH`. What the
    system's `/usr/bin/python3` or another version's `pip` installs, the entry script will not find.

    Bad `Dockerfile`:

        RUN /usr/bin/python3 -m pip install pandas==2.3.3

    Good `Dockerfile`:

        RUN pip install pandas==2.3.3

    Silent: `pip`, `pip3`, `python` and `python3` without a folder, the base's own version, and other folders.
    """
    for each in ran:
        program, texts = each.call.words[0].text, each.call.texts
        folder, _, name = program.rpartition("/")
        by_module = name.startswith("python") and texts[:2] == ("-m", "pip") and "install" in texts
        if not by_module and not (name.startswith("pip") and "install" in texts[:1]):
            continue
        found = _VERSION.fullmatch(name)
        version = found[1] if found else None
        if folder in ("/usr/bin", "/bin"):
            what = "the system's Python"
        elif not folder and version and inference.python and version != inference.python:
            what = f"Python {version}"
        else:
            continue
        own = f"Python {inference.python}" if inference.python else "another one"
        yield Finding(
            f"{program} installs for {what}, and {own} of the base image runs the entry script",
            location=each.step.instruction.at(each.call.words[0]),
            hint="Write `pip install`: the pip of the base's own Python is first on PATH.",
        )


@rule("AML722", "warning")
def unused_environment(inference: InferenceBase, ran: tuple[Ran, ...], built: Built) -> Iterator[Finding]:
    """A conda environment is made that the server does not run in.

    The images start the server in the environment that `PATH` and `AZUREML_CONDA_ENVIRONMENT_PATH` name. One that is
    made beside it is not used, and its packages are not found.

    Bad `Dockerfile`:

        RUN conda env create -f conda.yaml

    Good `Dockerfile`:

        RUN conda env update -n amlenv -f conda.yaml

    Silent: where `PATH`, `AZUREML_CONDA_ENVIRONMENT_PATH` or the command is said as well, or where the file says
    nothing of what to serve and a command of its own starts.
    """
    names = {"PATH", contract.ENVIRONMENT_PATH, "CONDA_DEFAULT_ENV", "CONDA_PREFIX"}
    if names & built.variables.keys() or built.last("CMD", "ENTRYPOINT", "SHELL"):
        return
    for each in ran:
        texts = tuple(text for text in each.call.texts if not text.startswith("-"))
        makes = texts[:2] == ("env", "create") or texts[:1] == ("create",)
        used = any(word in each.call.texts for word in ("-p", "--prefix", "amlenv"))
        if each.call.program in ("conda", "mamba", "micromamba") and makes and not used:
            yield Finding(
                "this makes an environment of its own, and the server runs in the base image's",
                location=each.step.instruction.at(each.call.words[0]),
                hint=f"Install into the base's (`conda env update -n amlenv -f FILE`, or pip), or set PATH and "
                f"{contract.ENVIRONMENT_PATH}, and install the server in the new one.",
            )


@rule("AML723", "warning")
def nothing_starts_the_server(
    inference: InferenceBase, built: Built, copied: tuple[Copied, ...], server: Server
) -> Iterator[Finding]:
    """The image's command does not start Azure ML's server.

    The base images start it by `runsvdir /var/runit`. A `CMD` takes its place, and an `ENTRYPOINT` takes away the
    command of the base and of the stages before its own.

    Bad `Dockerfile`:

        ENV AZUREML_ENTRY_SCRIPT=score.py
        CMD ["python", "score.py"]

    Good `Dockerfile`:

        ENV AZUREML_ENTRY_SCRIPT=score.py

    Silent: a command that names `runsvdir`, `azmlinfsrv` or `gunicorn`; scripts and programs such as `supervisord`,
    of which nobody knows what they start; a server of your own in an image that names no entry script and has nothing
    in `/var/azureml-app`.
    """
    below = any(f"{each.dest}/".startswith(f"{contract.APP_ROOT}/") for each in copied)
    if server != "another" or not (below or contract.ENTRY_SCRIPT in built.variables):
        return
    entrypoint, command = built.starts
    said = entrypoint or command
    assert said is not None
    alone = entrypoint is not None and command is None
    yield Finding(
        f"{said.instruction.keyword} "
        + ("takes the base's command away" if alone else "takes the place of the base's command")
        + ", so nothing starts the server",
        location=said.instruction.at(),
        hint=f"{'Add' if alone else 'Remove it: the base has'} CMD {_START}.",
    )


_ALL = """
ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME
WORKDIR
"""
_INSTRUCTIONS = _ALL.split()


@rule("AML725", "error")
def unknown_instruction(dockerfile: Dockerfile) -> Iterator[Finding]:
    """A line begins with no instruction that builders know.

    The build ends at once. Often it is a letter too many, or a line of the command above whose `\\` was forgotten.

    Bad `Dockerfile`:

        RUNN pip install six==1.17.0

    Good `Dockerfile`:

        RUN pip install six==1.17.0

    Silent: instructions in any case, lines that continue another, and files with a `# syntax=` of somebody else's,
    which may know more.
    """
    for each in () if dockerfile.other_syntax else dockerfile.instructions:
        if each.keyword not in _INSTRUCTIONS:
            import difflib

            near = difflib.get_close_matches(each.keyword, _INSTRUCTIONS, 1, 0.7)
            written = each.text.split()[0] if each.text.split() else ""
            yield Finding(
                f"no builder knows the instruction {written or each.keyword}",
                location=each.at().of(written),
                hint=f"Did you mean {near[0]}?" if near else "If it belongs to the line above, end that with a \\.",
            )


_WITHOUT_CONDA = re.compile(r"(?:docker\.io/)?(?:library/)?(?:python|debian|ubuntu|alpine|buildpack-deps)(?:[:@].*)?")
_CONDA = ("conda", "mamba", "micromamba")
_MAY_INSTALL = re.compile(r"(?i)conda(?![\w-]*\.ya?ml)|mamba|miniforge")


@rule("AML724", "error")
def no_conda(named_base: NamedBase, built: Built, ran: tuple[Ran, ...]) -> Iterator[Finding]:
    """A command of conda's is called on a base that does not have it.

    Azure ML's images have it, and Docker's own `python`, `ubuntu` and `debian` do not: the build ends with
    `conda: not found`.

    Bad `Dockerfile`:

        FROM python:3.12-slim
        RUN conda env create -f conda.yaml

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        RUN conda env update -n amlenv -f conda.yaml

    Silent: other bases, of which nobody knows what they have; where an instruction above names conda, mamba or
    Miniforge, and so may install it; a program of the name that is called by its path.
    """
    if not _WITHOUT_CONDA.fullmatch(named_base.reference):
        return
    for each in ran:
        if each.call.words[0].text not in _CONDA:
            continue
        before = built.steps[: next(place for place, step in enumerate(built.steps) if step is each.step)]
        if any(_MAY_INSTALL.search(step.instruction.text) for step in before):
            return
        if _MAY_INSTALL.search(each.step.instruction.text[: each.call.words[0].begin]):
            return
        yield Finding(
            f"{each.call.words[0].text} is called, and {named_base.reference} does not have it",
            location=each.step.instruction.at(each.call.words[0]),
            hint="Take one of Azure ML's images for a base, or install conda above.",
        )
        return
