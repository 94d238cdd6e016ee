"""Texts that are secrets by their form: keys and tokens that say what they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ..text import pattern

_FORMS: tuple[tuple[str, str], ...] = (
    ("the key of an Azure storage account", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    ("a shared access key", r"SharedAccessKey=([A-Za-z0-9+/]{43}=)"),
    ("the signature of a SAS URL", r"[?&;]sig=([A-Za-z0-9+/]{43}=|[A-Za-z0-9%]{43,70}%3[Dd])"),
    (
        "a client secret of Microsoft Entra",
        r"(?<![\w~.-])([A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34})(?![\w~.-])",
    ),
    # Azure's newer keys have a mark of their service at a fixed place, so that they can be told by their form.
    ("a key of an Azure AI service", r"(?<!\w)([A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26})(?!\w)"),
    ("a key of Azure Cosmos DB", r"(?<![\w+/])([A-Za-z0-9+/]{76}ACDb[A-Za-z0-9+/]{6}==)"),
    ("a key of an Azure storage account", r"(?<![\w+/])([A-Za-z0-9+/]{76}\+ASt[A-Za-z0-9+/]{6}==)"),
    ("a key of Azure AI Search", r"(?<!\w)([A-Za-z0-9]{42}AzSe[A-Za-z0-9]{6})(?!\w)"),
    ("a key of Azure Functions", r"(?<![\w-])([A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{6}==?)"),
    ("a password of an Azure container registry", r"(?<![\w+/])([A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9+/]{6})"),
    ("a token of Azure DevOps", r"(?<!\w)([A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4})(?!\w)"),
    ("a subscription key", r"Ocp-Apim-Subscription-Key['\"]?\s*[:=,]\s*['\"]([0-9a-f]{32})['\"]"),
    ("a token of GitHub", r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b"),
    ("a token of GitLab", r"\b(glpat-[A-Za-z0-9_-]{20})(?![\w-])"),
    ("a token of Hugging Face", r"\b(hf_[A-Za-z0-9]{34})\b"),
    ("a token of PyPI", r"\b(pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,})"),
    ("a token of Slack", r"\b(xox[abprs]-[0-9]{10,13}-[A-Za-z0-9-]{20,})"),
    ("a key of OpenAI", r"\b(sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,})"),
    ("an access key of AWS", r"\b(A[KS]IA[A-Z2-7]{16})\b"),
    ("a key of Google", r"\b(AIza[A-Za-z0-9_-]{35})(?![\w-])"),
    ("a private key", r"-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----\s*([A-Za-z0-9+/]{40,})"),
)

_MARKS: tuple[tuple[str, ...], ...] = (
    ("AccountKey=",),
    ("SharedAccessKey=",),
    ("sig=",),
    ("7Q~", "8Q~"),
    ("JQQJ99",),
    ("ACDb",),
    ("+ASt",),
    ("AzSe",),
    ("AzFu",),
    ("+ACR",),
    ("AZDO",),
    ("Ocp-Apim-",),
    ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    ("glpat-",),
    ("hf_",),
    ("pypi-Ag",),
    ("xox",),
    ("T3BlbkFJ",),
    ("AKIA", "ASIA"),
    ("AIza",),
    ("PRIVATE KEY",),
)
"""Of each form in turn: one of them stands in every such text, and in few others."""

_EVERY_MARK = pattern("|".join(re.escape(mark) for marks in _MARKS for mark in marks).encode())

_SHORTEST = 20
"""Letters, digits and signs that stand side by side in every such text, as they do in few others."""

_RUNS = bytes(
    ord("a") if chr(each).isascii() and (chr(each).isalnum() or chr(each) in "+/_~.%-") else 0 for each in range(256)
)

_LEAST_LETTERS = 8
"""Different letters, below which a text only stands for a secret, such as ``xxxx``."""


def may_have_secrets(data: bytes) -> bool:
    """Whether a text is worth a look, told in a tenth of the time."""
    return b"a" * _SHORTEST in data.translate(_RUNS) and _EVERY_MARK.search(data) is not None


def secrets_in(text: str) -> Iterator[tuple[str, str, int]]:
    """The secrets of a text: what kind each is, how it begins, and on which line, from 0."""
    for (kind, form), marks in zip(_FORMS, _MARKS, strict=True):
        for match in re.finditer(form, text) if any(mark in text for mark in marks) else ():
            if len(Counter(match[1])) >= _LEAST_LETTERS and "EXAMPLE" not in match[1].upper():
                yield kind, f"{match[1][:4]}…", text.count("\n", 0, match.start())
