"""What a text reads of the environment, and what it downloads as it is loaded or as its ``init()`` runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from ..data import frozen
from ..text import pattern
from .texts import every_node, is_encoded_otherwise, nodes_having

_HUB_NAME = pattern(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
"""A model's name in the hub, with or without its owner's."""

_DOWNLOADS = frozenset(
    {
        "gdown.download",
        "gdown.download_folder",
        "huggingface_hub.hf_hub_download",
        "huggingface_hub.snapshot_download",
        "keras.utils.get_file",
        "kagglehub.dataset_download",
        "kagglehub.model_download",
        "nltk.download",
        "spacy.cli.download",
        "tensorflow.keras.utils.get_file",
        "torch.hub.download_url_to_file",
        "torch.hub.load_state_dict_from_url",
        "urllib.request.urlretrieve",
        "wget.download",
    }
)
"""Functions that fetch something from the network whatever they are given."""

_SHELLS = frozenset(
    {"os.system", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.run"}
)

HUB = frozenset({"diffusers", "sentence_transformers", "transformers"})
"""Packages whose ``from_pretrained`` takes a folder, or else a name in Hugging Face's hub."""

_PACKAGES = tuple(
    {
        name.partition(".")[0].encode()
        for name in (*_DOWNLOADS, *_SHELLS, *HUB, "tensorflow_hub", "timm", "torch", "torchvision")
    }
)
"""One of them at least stands in a text that downloads something."""

_LOCAL = frozenset({"local_files_only"})


@frozen
class Download:
    """A call that fetches something.

    :param what: is called, as the text has it: ``nltk.download``.
    :param name: in the hub, where the call takes such a name or a folder; empty where it always fetches.
    :param in_init: whether ``init()`` makes it; loading the script otherwise.
    """

    what: str
    line: int
    name: str = ""
    in_init: bool = False


_OF_ENVIRONMENT = (b"environ", b"getenv", b"putenv")


def environment_reads(tree: ast.Module, data: bytes) -> Iterator[tuple[str, int]]:
    """Names of variables that a text reads, with nothing to take in their place, each with its line.

    One that the text sets itself is not among them.

    :param data: the text of which ``tree`` is the syntax.
    """
    read: list[tuple[str, int]] = []
    set_here: set[str] = set()
    for node in nodes_having(tree, data, _OF_ENVIRONMENT):
        if isinstance(node, ast.Subscript) and _last(node.value) == "environ":
            name = _text(node.slice)
            if name is not None and isinstance(node.ctx, ast.Load):
                read.append((name, node.lineno))
            elif name is not None:
                set_here.add(name)
        elif isinstance(node, ast.Call) and node.args:
            name, called = _text(node.args[0]), _last(node.func)
            if name is None:
                continue
            of_environment = isinstance(node.func, ast.Attribute) and _last(node.func.value) == "environ"
            if called in ("setdefault", "putenv") and (of_environment or called == "putenv"):
                set_here.add(name)
            elif (called == "getenv" or (called == "get" and of_environment)) and len(node.args) == 1:
                read.append((name, node.lineno))
    return (each for each in read if each[0] not in set_here)


def downloads(tree: ast.Module, data: bytes) -> Iterator[Download]:
    """What loading a script, or its ``init()``, fetches come what may: not below a condition or in functions.

    :param data: the text of which ``tree`` is the syntax.
    """
    if not any(name in data for name in _PACKAGES) and not is_encoded_otherwise(data):
        return
    names = imported(tree)
    for in_init, body in ((False, tree.body), (True, top_function(tree, "init"))):
        for node in _carried_out(body):
            if isinstance(node, ast.Call):
                found = _download(node, dotted(node.func, names))
                if found is not None:
                    yield Download(".".join(_parts(node.func)), node.lineno, found, in_init)


def top_function(tree: ast.Module, name: str) -> Sequence[ast.stmt]:
    """The body of the last function of a name at a module's top level; nothing without one."""
    found = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name]
    return found[-1].body if found else ()


def _carried_out(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of statements that run one after the other, without what a condition or a call decides."""
    waiting: list[ast.AST] = [*reversed(body)]
    while waiting:
        node = waiting.pop()
        if isinstance(
            node,
            ast.FunctionDef
            | ast.AsyncFunctionDef
            | ast.ClassDef
            | ast.Lambda
            | ast.If
            | ast.IfExp
            | ast.BoolOp
            | ast.While
            | ast.Match
            | ast.ExceptHandler,
        ):
            continue
        yield node
        waiting += reversed(list(ast.iter_child_nodes(node)))


def _download(node: ast.Call, called: str) -> str | None:
    """A name in the hub, nothing for what always fetches, and None for what fetches nothing for certain."""
    said = {each.arg: each.value for each in node.keywords}
    if _LOCAL & said.keys() or None in said:
        return None
    if called in _DOWNLOADS:
        return ""
    if called in _SHELLS:
        return "" if _installs(node) else None
    if called == "timm.create_model" or called.startswith("torchvision.models."):
        pretrained = said.get("pretrained")
        return "" if isinstance(pretrained, ast.Constant) and pretrained.value is True else None
    if called == "tensorflow_hub.load":
        return "" if (_first(node) or "").startswith("https://") else None
    if called == "torch.hub.load":
        return None if _text(said.get("source")) == "local" or _is_path(_first(node)) else ""
    if called.partition(".")[0] not in HUB:
        return None
    if called.endswith(".from_pretrained") or called == "sentence_transformers.SentenceTransformer":
        return _hub_name(_first(node) or _text(said.get("pretrained_model_name_or_path")))
    if called == "transformers.pipeline":
        return _hub_name(_text(node.args[1] if len(node.args) > 1 else said.get("model")))
    return None


def _installs(node: ast.Call) -> bool:
    """Whether a command that is written out is pip's, and installs what an index has."""
    first = node.args[0] if node.args else None
    if isinstance(first, ast.List | ast.Tuple):
        words = [_text(each) or "" for each in first.elts]
    else:
        words = (_text(first) or "").split()
    place = next((place for place, word in enumerate(words) if word in ("pip", "pip3")), None)
    return place is not None and "install" in words[place + 1 :] and "--no-index" not in words


def _hub_name(text: str | None) -> str | None:
    return text if text and _HUB_NAME.fullmatch(text) else None


def _is_path(text: str | None) -> bool:
    return text is None or text.startswith((".", "/"))


def _first(node: ast.Call) -> str | None:
    return _text(node.args[0]) if node.args else None


def imported(tree: ast.Module) -> Mapping[str, str]:
    """What the names of imports stand for, as ``{"Model": "transformers.AutoModel"}``."""
    found: dict[str, str] = {}
    for node in every_node(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def dotted(node: ast.expr, names: Mapping[str, str]) -> str:
    """The whole name of what is called; empty where its beginning was not imported."""
    first, *more = _parts(node) or [""]
    return ".".join([names[first], *more]) if first in names else ""


def _parts(node: ast.expr) -> list[str]:
    """``["nltk", "download"]``; nothing of what does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
