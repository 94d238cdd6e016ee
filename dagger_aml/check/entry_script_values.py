"""Rules about what ``run()`` returns."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding
from ..pysource.batch import may_be_batch
from ..pysource.returned import not_json
from ..pysource.source import Source
from .facts import Script
from .rule import rule


@rule("AML120", "warning")
def returns_no_json(script: Script, entry: Source) -> Iterator[Finding]:
    """What run() returns cannot be written as JSON.

    The server writes what `run()` returns with `json.dumps`, which refuses sets, bytes, generators, dates, arrays of
    numpy and tables: the request is answered with 500, after all the work was done.

    Bad `score.py`:

        def run(data):
            return {"scores": np.array(scores)}

    Good `score.py`:

        def run(data):
            return {"scores": np.array(scores).tolist()}

    Silent: what the text does not prove, such as `model.predict(rows)`; a name that is bound more than once; a `run`
    with decorators that are not the server's, and one for batch runs, which may return tables.
    """
    for each in () if may_be_batch(entry) else not_json(entry):
        yield Finding(
            f"run() returns {each.what}, which is no JSON: the request is answered with 500",
            location=script.at(script.name, each.line),
            hint=_HINTS.get(each.what, "Make a list, a dict, a number or a text of it before."),
        )


_HINTS = {
    "an array of numpy": "Add `.tolist()`.",
    "a tensor": "Add `.tolist()`.",
    "a data frame": 'Make it a list of rows: `.to_dict(orient="records")`.',
    "a series of pandas": "Add `.tolist()`.",
    "a datetime": "Add `.isoformat()`.",
    "a date": "Add `.isoformat()`.",
    "a set": "Make it a list: `sorted(…)`.",
    "bytes": "Decode it to a text, or return it as `AMLResponse(…, 200)`.",
}
