"""Files that make one model together, though they lie side by side: a network and its weights, shards, tokenizers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from ..artifacts.onnx import external_data
from ..pysource.reached import Reached
from ..text import pattern

BESIDE = frozenset(
    {
        *("added_tokens.json", "chat_template.jinja", "config.json", "generation_config.json", "merges.txt"),
        *("preprocessor_config.json", "sentencepiece.bpe.model", "special_tokens_map.json", "spiece.model"),
        *("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt"),
    }
)
"""Names of what Hugging Face's libraries write beside a model's weights and look for there."""

_WEIGHTS = frozenset({".gguf", ".h5", ".keras", ".onnx", ".pt", ".pth", ".safetensors", ".tflite"})
"""Ends of names of weights that such files may lie beside."""

PLACEHOLDERS = (".*", "README*", "readme*", "LICENSE*", "*.dvc", "*.md", "CACHEDIR.TAG")
"""Names of files that are no model: what keeps a folder in a repository, tells of a model, or points to one."""

_SHARD = pattern(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<of>\d{5})(?P<end>\.\w+)")

_DATA = pattern(r"[._]data(?:[._-]?\d+)?")


def grouped(found: Iterable[Path]) -> list[Path]:
    """Each model once: shards by their first, and no file that is another's weights."""
    paths = sorted(found)
    parts = {part for path in paths for part in parts_of(path)}
    whole = [path for path in paths if path not in parts]
    return [path for path in whole if path.name not in BESIDE] or whole


def parts_of(path: Path) -> tuple[Path, ...]:
    """The other files without which a model's file cannot be loaded: its other shards, its weights."""
    if not _is_plain(path):
        return ()
    shard = _SHARD.fullmatch(path.name)
    if shard and int(shard["number"]) > 1:
        return ()
    names = {*external_data(path), f"{shard['stem']}{shard['end']}.index.json"} if shard else set(external_data(path))
    return tuple(
        other
        for other in _siblings(path)
        if other.name in names
        or (other.name.startswith(path.name) and _DATA.fullmatch(other.name[len(path.name) :]))
        or _is_shard_of(other.name, shard)
    )


def beside(path: Path, used: Reached | None) -> tuple[Path, ...]:
    """What is taken with a model's file though it lies apart: its parts, a tokenizer, what the code opens beside it.

    :param used: what the entry script leads to; None without code.
    """
    if not _is_plain(path):
        return ()
    parts = parts_of(path)
    opened = {each.parts[0] for _, each in used.model_paths if len(each.parts) == 1} if used else set()
    others = (
        other
        for other in _siblings(path)
        if (other.name in BESIDE and path.suffix.lower() in _WEIGHTS)
        or any(fnmatchcase(other.name, each) for each in opened if not each.startswith("*"))
    )
    return tuple(sorted({*parts, *(each for each in others if each.suffix != ".py")}))


def holds_nothing(folder: Path) -> bool:
    """Whether a folder holds no file but :data:`PLACEHOLDERS`.

    :raises OSError: it cannot be read.
    """
    walked = os.walk(folder, onerror=_fail)
    return all(is_placeholder(name) for _, _, names in walked for name in names)


def _fail(error: OSError) -> None:
    raise error


def is_placeholder(name: str) -> bool:
    """Whether a file of that name is no model."""
    return any(fnmatchcase(name, pattern) for pattern in PLACEHOLDERS)


def _siblings(path: Path) -> Iterator[Path]:
    with os.scandir(path.parent) as found:
        for item in sorted(found, key=lambda item: item.name):
            if item.name != path.name and item.is_file(follow_symlinks=False):
                yield Path(item.path)


def _is_shard_of(name: str, first: re.Match[str] | None) -> bool:
    other = first and _SHARD.fullmatch(name)
    return bool(first and other) and all(first[each] == other[each] for each in ("stem", "of", "end"))  # type: ignore[index]


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
