"""A plan held against an earlier one or an image: what would run again and which layers would be new, before anything
is built.

Nothing is remembered between builds: the earlier plan is what the user names, as ``plan --json`` wrote it, or an
image, whose label tells of its steps (:mod:`dagger_aml.plan.label`). What is told holds where the builder still has
what it made then, as an engine or a store on the same machine does.

Builders differ in one thing. All run a command again when it, the base or any step before it changed. A copy above
such a change is made again by all; a Dagger engine then gives the same bytes, so that a registry has them already,
and docker, podman and buildah a new layer (docs/builder-cases.md, "The keeping copy").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

from attrs import evolve, field

from ..data import frozen
from ..errors import UsageError
from ..fs.digest import NOTHING, Digests
from ..graph.base import From
from ..graph.graph import Built, Copy, LayerOp, Run
from ..graph.source import Local, Text
from ..graph.wheels import Wheels
from ..project.recipe import RECIPE_LABEL
from ..text import human_size, named
from ..version import __version__
from .keys import ENCODING, config_digest, op_keys
from .label import PLAN_LABEL, OpKey, config_key, read_config_key, read_label
from .model import Plan
from .render import config_json, op_json
from .resolve import BASE_DIGEST_LABEL, BASE_NAME_LABEL, VERSION_LABEL

Outcome = Literal["reused", "runs", "new layer", "same bytes"]
"""``same bytes``: made again, and expected to have the digest that the registry has."""


_TOLD_OTHERWISE = {BASE_DIGEST_LABEL, BASE_NAME_LABEL, PLAN_LABEL, RECIPE_LABEL}


@frozen
class Earlier:
    """What a plan is held against.

    :param name: what the user called it.
    :param digest: of its base, where that was pinned.
    :param says: values of its config, by kind and name such as ``("env", "A")``.
    :param complete: whether ``says`` has nothing of the base's own.
    :param details: of each op, as ``plan --json`` has them; empty where only a label tells.
    :param labels: of the image; none of a plan.
    :param config: twelve digits of the digest of what it says; None where it does not tell.
    :param inputs: the digest of all its inputs, of all its platforms; None of an image.
    :param platforms: of all images of an index, or that a plan is one of; none where only one is told of.
    """

    name: str
    base: str
    digest: str | None
    platform: str
    ops: tuple[OpKey, ...]
    says: Mapping[tuple[str, str], str] = field(repr=False)
    complete: bool
    details: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    labels: Mapping[str, str] = field(factory=dict, repr=False)
    config: str | None = None
    inputs: str | None = None
    platforms: tuple[str, ...] = ()


@frozen
class Verdict:
    """What becomes of one step.

    :param why: what changed, in it or beneath it; empty where it is reused.
    :param dagger: with a Dagger engine.
    :param local: with docker, podman or buildah.
    :param size: bytes of what is copied; None of a command, and of what a stage makes.
    :param is_new: whether the earlier one had no such step.
    :param own: whether something changed in it, not only beneath it.
    """

    name: str
    why: str
    dagger: Outcome
    local: Outcome
    size: int | None
    is_new: bool = False
    own: bool = False


@frozen
class Comparison:
    """A plan's steps and config held against an earlier one's.

    :param base: what changed of it; empty where nothing did.
    :param base_known: whether both digests are known.
    :param gone: names of steps that there are no longer.
    :param says: what the image would say otherwise, such as ``env A``.
    :param counts: what of these is a reason to build, which dagger-aml's own version is not.
    :param config_same: whether all that the image was to say is what it was; None where that is not told.
    :param base_name: what the base was called, where it has another name now; else empty.
    """

    name: str
    base: str
    base_known: bool
    ops: tuple[Verdict, ...]
    gone: tuple[str, ...]
    says: tuple[str, ...]
    counts: tuple[str, ...] = ()
    config_same: bool | None = None
    base_name: str = ""

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "base": {"changed": bool(self.base), "why": self.base, "digests_known": self.base_known},
            "ops": [
                {"name": each.name, "why": each.why, "dagger": each.dagger, "local": each.local, "bytes": each.size}
                for each in self.ops
            ],
            "gone": list(self.gone),
            "says": list(self.says),
        }

    def text(self, local: str) -> str:
        """As a person reads it.

        :param local: the builders that take a Dockerfile, as they are called.
        """
        return "\n".join(self._lines(local)) + "\n"

    def _lines(self, local: str) -> Iterator[str]:
        yield f"Compared with {self.name}:"
        unknown = f"assumed to be the same because of its name; {named('pin_or_probe')} gets its digest"
        yield f"  base: {self.base or ('the same' if self.base_known else unknown)}"
        for number, each in enumerate(self.ops, 1):
            yield f"  {number}. {each.name}: {_said(each, each.dagger)}"
            if each.local != each.dagger:
                yield f"     {local}: {_said(each, each.local)}"
        yield from (f"  removed: {each}" for each in self.gone)
        if self.says:
            yield f"  image config changes, without a new layer: {', '.join(self.says)}"
        yield ""
        says = bool(self.says)
        dagger, others = (
            _sum(self.ops, [getattr(each, name) for each in self.ops], says=says) for name in ("dagger", "local")
        )
        if dagger == others:
            yield f"Expected: {dagger}"
        else:
            yield f"Expected with a Dagger engine: {dagger}"
            yield f"Expected with {local}: {others}"


def _said(verdict: Verdict, outcome: Outcome) -> str:
    if outcome == "reused":
        return "reused"
    size = "" if verdict.size is None else f" ({human_size(verdict.size)})"
    done = {
        "runs": "runs" if verdict.is_new else "runs again",
        "new layer": f"new layer{size}",
        "same bytes": f"copied again{size}, probably the same bytes, not sent again",
    }[outcome]
    return f"{done}: {verdict.why}"


def _sum(ops: Sequence[Verdict], outcomes: Sequence[Outcome], *, says: bool) -> str:
    runs = outcomes.count("runs")
    sizes = [op.size or 0 for op, outcome in zip(ops, outcomes, strict=True) if outcome == "new layer"]
    if not runs and not sizes:
        return f"nothing runs, no layer is new{', only the config changes' if says else ''}"
    parts = [f"{runs} step{'' if runs == 1 else 's'} run{'s' if runs == 1 else ''}"] if runs else ["nothing runs"]
    copied = f"{len(sizes)} new layer{'' if len(sizes) == 1 else 's'} of {human_size(sum(sizes))}"
    parts.append(copied + " copied" if sizes else "no copied layer is new")
    return ", ".join(parts)


def against(plan: Plan, earlier: Earlier, known_files: Digests = NOTHING) -> Comparison:
    """What would become of a plan's steps where the earlier one has been built; reads every byte that is copied.

    :param known_files: digests of files, as :func:`dagger_aml.fs.digest.digest` takes them.
    """
    base, known = _base(plan.base, earlier)
    keys, was = op_keys(plan, known_files), earlier.ops
    pairs = _pairs(keys, was)
    changed, met = base, 0
    verdicts = []
    for number, (key, op) in enumerate(zip(keys, plan.ops, strict=True)):
        before = pairs.get(number)
        if before is not None:
            left = [was[each].name for each in range(met, before) if each not in pairs.values()]
            changed = changed or (f"step {left[0]!r} was removed" if left else "")
            met = max(met, before + 1)
        if before is None:
            own = "it is new"
        elif was[before].digest != key.digest:
            details = earlier.details[before] if earlier.details else None
            told = _difference(details, op_json(op.layer, None, known_files)) if details else ""
            own = told or _changed(was[before].name, key.name)
        else:
            own = ""
        why = own or changed
        dagger: Outcome = "reused" if not why else "runs" if key.runs else "new layer" if own else "same bytes"
        local: Outcome = "new layer" if dagger == "same bytes" else dagger
        verdicts.append(Verdict(op.name, why, dagger, local, copied_bytes(op.layer), before is None, bool(own)))
        if own and not changed:
            changed = f"step {op.name!r} {'is new' if before is None else 'changed'}"
    gone = tuple(each.name for number, each in enumerate(was) if number not in pairs.values())
    says = tuple(_says(plan, earlier))
    counts = tuple(each.text for each in says if each.counts)
    same = _config_same(plan, earlier, counts)
    name = earlier.base if earlier.base != plan.base.reference else ""
    said = tuple(each.text for each in says)
    return Comparison(earlier.name, base, known, tuple(verdicts), gone, said, counts, same, name)


def run_again(held: Comparison, plan: Plan, why: str) -> Comparison:
    """The same where what ran is not taken any more, so that each command runs, though nothing has changed.

    :param why: that is so.
    """
    ops = (
        evolve(each, why=why, dagger="runs", local="runs")
        if isinstance(op.layer, Run) and each.dagger == "reused"
        else each
        for each, op in zip(held.ops, plan.ops, strict=True)
    )
    return evolve(held, ops=tuple(ops))


def _config_same(plan: Plan, earlier: Earlier, counts: Sequence[str]) -> bool | None:
    if earlier.complete:
        return not counts
    return None if earlier.config is None else earlier.config == config_key(config_digest(plan.config))


def _base(base: From, earlier: Earlier) -> tuple[str, bool]:
    """What changed of the base, and whether that could be told for certain."""
    known = bool(base.digest and earlier.digest)
    if base.platform != earlier.platform:
        return f"for {base.platform}, was for {earlier.platform}", known
    if base.digest and earlier.digest:
        return ("" if base.digest == earlier.digest else "the base changed"), True
    return ("" if base.reference == earlier.base else f"the base is {base.reference}, was {earlier.base}"), False


def _pairs(now: Sequence[OpKey], was: Sequence[OpKey]) -> dict[int, int]:
    """For numbers of steps now those of what they were; a step that is new has none. Order is kept."""
    same = SequenceMatcher(None, [each.digest for each in was], [each.digest for each in now], autojunk=False)
    found: dict[int, int] = {}
    for tag, was_from, was_to, now_from, now_to in same.get_opcodes():
        if tag == "equal":
            found |= dict(zip(range(now_from, now_to), range(was_from, was_to), strict=True))
            continue
        free = list(range(was_from, was_to))
        for number in range(now_from, now_to):
            alike = [each for each in free if was[each].is_like(now[number])]
            like = next((each for each in alike if was[each].name == now[number].name), next(iter(alike), None))
            if like is not None:
                found[number] = like
                free = [each for each in free if each > like]
    return found


def _changed(was: str, now: str) -> str:
    return "it changed" if was == now else f"it changed, and was {was!r}"


def _difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What of a step changed."""
    if now["kind"] == "copy":
        parts = {"files": _digest(was) != _digest(now), "owner": was.get("owner") != now.get("owner")}
        named = [name for name, changed in parts.items() if changed]
        return f"its {' and '.join(named)} changed" if named else ""
    words = [set(each.get("argv", ())) for each in (was, now)]
    named = [
        *(f"+{_cut(word)}" for word in now["argv"] if word not in words[0]),
        *(f"-{_cut(word)}" for word in was.get("argv", ()) if word not in words[1]),
        *(name for name in ("user", "env", "workdir", "mounts") if was.get(name) != now.get(name)),
    ]
    return f"its command changed ({', '.join(named)})" if named else "its command changed"


def _digest(op: Mapping[str, Any]) -> Any:
    source = op.get("source") or {}
    return source.get("digest") or source


def _cut(word: str) -> str:
    line = word.replace("\n", "; ")
    return line if len(line) <= 40 else f"{line[:39]}…"


def copied_bytes(layer: LayerOp) -> int | None:
    """Bytes of what is copied from here; None of what is made in the image, or in a stage."""
    if not isinstance(layer, Copy) or isinstance(layer.source, Built):
        return None
    source = layer.source
    return source.size if isinstance(source, Local | Wheels) else len(source.data) if isinstance(source, Text) else 0


@frozen
class _Said:
    """Something that an image says otherwise.

    :param counts: whether that is a reason to build.
    """

    text: str
    counts: bool = True


def _says(plan: Plan, earlier: Earlier) -> Iterator[_Said]:
    """What the image would say otherwise. An earlier image does not tell what of it is its base's."""
    now, of_base = _values(config_json(plan.config)), dict[tuple[str, str], str]()
    if not earlier.complete:
        of_base = {("user", ""): plan.facts.user, ("workdir", ""): plan.facts.workdir}
    assumed = plan.facts.source == "assumed"
    for each, value in {**of_base, **now}.items():
        if earlier.says.get(each) != value:
            own_version = each == ("label", VERSION_LABEL) and value == __version__
            yield _Said(_shown(*each), counts=not own_version and (each in now or not assumed))
    now = {**of_base, **now}
    for kind, name in earlier.says:
        if (kind, name) in now:
            continue
        own = earlier.complete or (plan.facts.source == "probed" and kind == "env" and name not in plan.facts.env)
        if own:
            yield _Said(f"{_shown(kind, name)} (removed)")


def _shown(kind: str, name: str) -> str:
    return f"{kind} {name}" if name else kind


def _values(config: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """One entry a value, of a config as ``plan --json`` has it."""
    found = {(kind, ""): str(config[kind]) for kind in ("user", "workdir") if config.get(kind)}
    found |= {(kind, ""): json.dumps(config[kind]) for kind in ("cmd", "entrypoint") if config.get(kind)}
    found |= {("env", name): value for name, value in (config.get("env") or {}).items()}
    found |= {("port", str(port)): "yes" for port in config.get("ports") or ()}
    labels = config.get("labels") or {}
    return found | {("label", name): value for name, value in labels.items() if name not in _TOLD_OTHERWISE}


def of_image(name: str, platform: str, config: Mapping[str, Any]) -> Earlier:
    """What the ``config`` object of an image's config tells.

    :raises UsageError: it has no label of its steps, or one of another version's.
    """
    labels: Mapping[str, str] = config.get("Labels") or {}
    ops = read_label(labels, ENCODING)
    if ops is None:
        has = PLAN_LABEL in labels
        raise UsageError(
            f"the image's label {PLAN_LABEL} is of another version"
            if has
            else f"the image has no label {PLAN_LABEL}",
            location=named("against", name),
            hint="Only images that dagger-aml made have it. You can also give a plan file: dagger-aml plan "
            "PROJECT --json > plan.json",
        )
    says = {
        ("user", ""): config.get("User") or "",
        ("workdir", ""): config.get("WorkingDir") or "/",
        **{("env", pair.partition("=")[0]): pair.partition("=")[2] for pair in config.get("Env") or ()},
        **{("label", key): value for key, value in labels.items() if key not in _TOLD_OTHERWISE},
        **{("port", port.removesuffix("/tcp")): "yes" for port in config.get("ExposedPorts") or ()},
        **{(key.lower(), ""): json.dumps(config[key]) for key in ("Cmd", "Entrypoint") if config.get(key)},
    }
    base, digest = labels.get(BASE_NAME_LABEL, ""), labels.get(BASE_DIGEST_LABEL)
    config_was = read_config_key(labels)
    return Earlier(name, base, digest, platform, ops, says, complete=False, labels=labels, config=config_was)


def of_json(name: str, text: str, project: str = "") -> Earlier:
    """What a file tells that ``plan --json`` wrote.

    :param name: what the user called it, for messages.
    :param text: of the file.
    :param project: the name of the one that is meant, where the file has several.
    :raises UsageError: it is not such a file, or another version's, or has no such project.
    """
    try:
        read = json.loads(text)
        if "projects" in read:
            read = _of_several(read["projects"], project, name)
        base, ops = read["base"], _ops(read)
        keys = tuple(_key(each) for each in ops)
        says = _values(read["config"])
        inputs = read.get("input_digest", {}).get("digest")
        return Earlier(
            name, base["reference"], base["digest"], base["platform"], keys, says, complete=True, details=ops,
            inputs=inputs if isinstance(inputs, str) else None,
            platforms=tuple(map(str, read.get("project", {}).get("platforms", ()))),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(
            "it is not a plan file as plan --json of this version writes it", location=named("against", name),
            hint="Write it again: dagger-aml plan PROJECT --json > plan.json",
        ) from None  # fmt: skip


def _of_several(plans: Sequence[Mapping[str, Any]], project: str, name: str) -> Mapping[str, Any]:
    """The plan of one project of several."""
    found = [each for each in plans if "ops" in each and each["project"]["name"] == project]
    if not found:
        raise UsageError(
            f"it has no plan of a project named {project!r}", location=named("against", name),
            hint="Write it again: dagger-aml plan PROJECT... --json > plans.json",
        )  # fmt: skip
    if any(each != found[0] for each in found):
        folders = " and ".join(str(each["folder"]) for each in found)
        raise UsageError(
            f"it has several plans of projects named {project!r}: {folders}", location=named("against", name),
            hint="Set another name in one project's dagger-aml.toml, or write a file for each of them.",
        )  # fmt: skip
    return found[0]


def _ops(read: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The ops of a plan file; 0.1.0 wrote schema 1, with other names for the same."""
    if read["schema"] == 1:
        return tuple({**each, "kind": each["op"], "name": each["step"]} for each in read["steps"])
    return tuple(read["ops"])


def _key(op: Mapping[str, Any]) -> OpKey:
    return OpKey(op["name"], op["dest"] if op["kind"] == "copy" else "", op["inputs"], op.get("verb"))
