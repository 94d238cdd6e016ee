"""docs/rules.md, made from the docstrings of the rules.

A rule's docstring is Markdown: its title in the first line, then what it means and why it matters, then the examples
and where it is silent:

    Bad `score.py`:

        async def init(): ...

    Good `score.py`:

        def init(): ...

    Silent: where …

The text in backticks says what the example is: a file's name, ``folder`` for files and what is in them, or ``shell``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from dagger_aml.check.inputs.kinds import KINDS, Kind
from dagger_aml.check.modules import rules
from dagger_aml.check.rule import GROUPS, RETIRED, Rule

from .site.markdown import slug

_HEAD = """\
What [`check`](check.md), `plan`, `build`, `dockerfile`, `run` and `score` tell of a project before anything is
built, each with an id. An **error** stops with exit code 2 (of `check`: 1); a **warning** or an **info** is told, and
the work goes on.

```text
dagger-aml: warning: score.py: the code uses labels.json, but .gitignore excludes it from the image [AML502]
  Add `!labels.json` to that file to include it.
```

Where you know better, ignore a rule by its id, or several by what theirs begin with: `--ignore AML502`,
`DAGGER_AML_IGNORE`, a comment `# aml: ignore[AML502]` on the line, or in [the project file](reference-file.md):

```toml
[check]
ignore = ["AML502"]
```

`plan` lists what was silenced that way. An id is never given to another rule. A recipe of your own warns with
[`graph.warn`](own-recipe.md); such a warning has no id.
"""

_TITLES = {
    "entry_script": "The entry script",
    "variables": "Variables and secrets",
    "packages": "Packages",
    "models": "Models",
    "code": "Code and files",
    "base": "The base image",
    "dockerfile": "Dockerfiles",
    "deployment": "Deployment files",
    "site_packages": "Folders of packages",
}

_LANGUAGES = {"shell": "text", "folder": "text", "py": "python", "toml": "toml", "yml": "yaml"}

_EXAMPLE = re.compile(r"^(Bad|Good) `([^`]+)`:$", re.M)


class Entry:
    """A rule's docstring, taken apart.

    :raises ValueError: a part is missing.
    """

    def __init__(self, rule: Rule) -> None:
        text = inspect.cleandoc(rule.check.__doc__ or "")
        self.title = rule.title
        body = text.partition("\n")[2].strip()
        first = _EXAMPLE.search(body)
        before, silent, self.silent = body.partition("\nSilent:")
        self.why = body[: first.start()].strip() if first else ""
        self.examples = list(_examples(before))
        missing = [kind for kind in ("Bad", "Good") if kind not in [each[0] for each in self.examples]]
        missing += [] if self.why else ["why it matters"]
        missing += [] if silent else ["Silent"]
        if missing:
            raise ValueError(f"the docstring of {rule.id} lacks {', '.join(missing)}")


def _examples(text: str) -> Iterator[tuple[str, str, str]]:
    """``Bad`` or ``Good``, what it is, and its lines."""
    found = list(_EXAMPLE.finditer(text))
    for match, after in zip(found, [*found[1:], None], strict=True):
        lines = text[match.end() : after.start() if after else len(text)]
        if outside := [line for line in lines.splitlines() if line and not line[0].isspace()]:
            raise ValueError(f"a line behind an example is not a part of it: {outside[0]!r}")
        yield match[1], match[2], inspect.cleandoc(lines).strip()


def rules_page() -> str:
    """Every rule by its group: id, severity, why it matters, examples, and where it is silent."""
    found = sorted(rules().values(), key=lambda each: each.id)
    parts = [
        "# Rules\n",
        _MADE,
        _HEAD,
        *_inputs(),
        "\n## All rules\n",
        "| rule | severity | what it finds |\n|---|---|---|",
    ]
    parts += [f"| [{each.id}](#{anchor(each.id, each.title)}) | {each.severity} | {each.title} |" for each in found]
    for group, digit in GROUPS.items():
        entries = [_entry(each) for each in found if each.id[3] == str(digit)]
        parts += [f"\n## {_TITLES[group]}\n", *entries] if entries else []
    if RETIRED:
        parts.append(f"## Retired\n\n{', '.join(sorted(RETIRED))}\n")
    return "\n".join(parts)


_INPUTS = """\
## Which rules for which input

A rule says what it needs to know, and applies to every kind of input of which that can be known. What one input lacks
all the same, `check` lists in the end as not checked.

| input | given as | rules |
|---|---|---|"""


def _inputs() -> Iterator[str]:
    """The kinds of input, each with the rules that apply to it."""
    yield _INPUTS
    for kind in KINDS:
        yield f"| {kind.name} | {kind.given} | {', '.join(_short(applying(kind)))} |"


def applying(kind: Kind) -> list[str]:
    """The ids of the rules that apply to a kind of input."""
    return sorted(each.id for each in rules().values() if each.applies(kind))


def _short(ids: list[str]) -> Iterator[str]:
    """Ids, with what they begin with in place of all those of a group."""
    for digit in sorted({id[3] for id in ids}):
        of_group = [id for id in ids if id[3] == digit]
        yield from [f"all AML{digit}"] if of_group == sorted(id for id in rules() if id[3] == digit) else of_group


def inputs_text() -> str:
    """The kinds of input, each with the ids of all rules that apply to it, for the golden files."""
    return "".join(f"{kind.name}: {' '.join(applying(kind))}\n" for kind in KINDS)


_MADE = "<!-- Written by `./taskw reference` from the rules' docstrings, which are the place to change it. -->\n"


def _entry(rule: Rule) -> str:
    entry = Entry(rule)
    parts = [f"### {rule.id}: {entry.title}\n", f"Severity: {rule.severity}.\n", f"{entry.why}\n"]
    for kind, what, text in entry.examples:
        said = f"{kind}" + ("" if what in ("folder", "shell") else f", `{what}`")
        parts.append(f"{said}:\n\n```{_language(what)}\n{text}\n```\n")
    parts.append(f"Silent: {entry.silent.strip()}\n")
    return "\n".join(parts)


def _language(what: str) -> str:
    return _LANGUAGES.get(what.rpartition(".")[2], "text")


def anchor(id: str, title: str) -> str:
    """GitHub's anchor of a rule's heading."""
    return slug(f"{id}: {title}")
