"""What azureml-core makes of small scripts: ``python -m tools.sdk_v1 PYTHON`` writes ``tests/unit/sdk_v1.json``.

PYTHON is that of an environment with azureml-core (``pip install azureml-core==1.61.0.post4``), which is large and no
part of the development environment. Run this by hand when the SDK has a new version, or a case is added. With a
number behind it, as many cases of another draw are compared with what dagger-aml makes of them; nothing is written.
"""

from __future__ import annotations

import datetime
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.sdk_v1_cases import FILES, cases, differences

from . import sdk_v1_case

ANSWERS = Path(__file__).parent.parent / "tests" / "unit" / "sdk_v1.json"

RECORDED, SEED = 200, 13


def asked(python: str, some: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What azureml-core makes of cases, and its version."""
    text = json.dumps({"files": FILES, "cases": some})
    done = subprocess.run([python, sdk_v1_case.__file__], input=text, capture_output=True, text=True, check=True)
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def main() -> None:
    """Write the file, or compare."""
    python, *rest = sys.argv[1:]
    if not rest:
        some = list(cases(RECORDED, SEED))
        found = asked(python, some)
        head = {"azureml-core": found["azureml-core"], "date": datetime.date.today().isoformat()}
        pairs = [
            json.dumps({"case": case, "answer": answer}) for case, answer in zip(some, found["answers"], strict=True)
        ]
        text = json.dumps(head)[:-1] + ', "recorded": [\n' + ",\n".join(pairs) + "\n]}\n"
        ANSWERS.write_text(text, encoding="utf-8")
        return
    seed = int(rest[1]) if len(rest) > 1 else random.randrange(10**6)
    some = list(cases(int(rest[0]), seed))
    tally: Counter[str] = Counter()
    answers = asked(python, some)["answers"]
    with sdk_v1_case.folder(FILES):
        for case, answer in zip(some, answers, strict=True):
            ours = sdk_v1_case.run(case, "dagger_aml.azureml")
            tally[why := "the same" if ours == answer else differences(case, answer, ours) or "unexplained"] += 1
            if why == "unexplained":
                print(json.dumps(case), "\n  theirs", json.dumps(answer), "\n  ours  ", json.dumps(ours))
    print(f"seed {seed}:", ", ".join(f"{number} {why}" for why, number in tally.most_common()))


if __name__ == "__main__":
    main()
