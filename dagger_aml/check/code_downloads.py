"""Rules about what the code fetches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..finding import Finding
from ..fs.lookup import is_there
from ..pysource.calls import downloads
from ..pysource.source import Source
from .facts import Script, Variable
from .rule import rule

_OFFLINE = frozenset({"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "TRANSFORMERS_CACHE"})
"""Variables with which the hub is not asked, or a folder that may have it all is asked first."""


@rule("AML530", "warning")
def downloads_at_start(script: Script, entry: Source, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """The container downloads something each time it starts.

    Every worker fetches it before the server is ready. Where the network is closed, as in a workspace with network
    isolation, or the other side is gone, nothing starts; and what it fetches may be another thing tomorrow.

    Bad `score.py`:

        def init():
            global model
            model = AutoModel.from_pretrained("bert-base-uncased")

    Good `score.py`:

        def init():
            global model
            model = AutoModel.from_pretrained(os.environ["AZUREML_MODEL_DIR"])

    Silent: what stands below a condition or in a function that `init()` calls; a name that is a folder beside the
    code; `local_files_only`; commands that are not written out as `pip install …` is; images that set
    `HF_HUB_OFFLINE`, `HF_HOME` or the like.
    """
    if entry.tree is None or b"import" not in entry.data:
        return
    for each in downloads(entry.tree, entry.data):
        if each.name and (_OFFLINE & variables.keys() or _sets_offline(entry) or is_there(script.folder / each.name)):
            continue
        by = "init()" if each.in_init else "loading the entry script"
        what = f"{each.name} of Hugging Face's hub" if each.name else f"by {each.what}"
        yield Finding(
            f"{by} downloads {what} each time a worker starts",
            location=script.at(script.name, each.line),
            hint="Put it into the image: with the model, or by a command of your own recipe.",
        )


def _sets_offline(entry: Source) -> bool:
    return any(name.encode() in entry.data for name in _OFFLINE)
