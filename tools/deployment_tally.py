"""What becomes of the deployment files of public repositories: ``python -m tools.deployment_tally FOLDER…``.

Counts the online deployments below each folder, those that are read, and those that are refused by their words, and
how many of them have code, an image and a conda file. Nothing of them is kept.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from dagger_aml.errors import ProjectError
from dagger_aml.project.deployment.kinds import DEPLOYMENTS, kind_of_file
from dagger_aml.project.deployment.read import read_deployment

_WHOLE = (r"^code_configuration:", r"^\s+image:", r"^\s+conda_file:")
"""What a file has of which an image is made here with nothing else said."""


def main(folders: list[str]) -> None:
    """Print the figures of each folder, and what is refused."""
    for folder in map(Path, folders):
        kinds: Counter[str] = Counter()
        outcomes: Counter[tuple[bool, str]] = Counter()
        refused: list[str] = []
        for path in sorted(path for end in ("yml", "yaml") for path in folder.rglob(f"*.{end}")):
            kind = kind_of_file(path)
            kinds[kind] += 1
            if kind in DEPLOYMENTS:
                words = outcome(path)
                outcomes[is_whole(path), words.partition("\n")[0]] += 1
                if words != "read":
                    words += f"; filled in: {filled(path)}"
                    refused.append(f"  {path.relative_to(folder)}: {words}")
        print(f"{folder.name}: {sum(kinds[kind] for kind in DEPLOYMENTS)} online deployments")
        for (whole, words), count in sorted(outcomes.items(), key=str):
            print(f"  {'code, image and conda file' if whole else 'others'}: {count} {words}")
        print(*refused, sep="\n")
        print("  all YAML files:", ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))


def outcome(path: Path) -> str:
    """``read``, or with which words a file is refused, without its names."""
    try:
        read_deployment(path)
    except ProjectError as error:
        if error.hint and "is a template" in error.hint:
            return "refused: a template"
        return f"refused: {error.message}"
    return "read"


def filled(path: Path) -> str:
    """As :func:`outcome`, once all that is to be filled in has a value."""
    text = re.sub(r"\{\{.*?\}\}|<\w+>", "x", path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_text(text, encoding="utf-8")
        return outcome(copy)


def is_whole(path: Path) -> bool:
    """Whether a file has code, an image and a conda file, readable or not."""
    text = path.read_text(encoding="utf-8")
    return all(re.search(part, text, re.MULTILINE) for part in _WHOLE)


if __name__ == "__main__":
    main(sys.argv[1:])
