"""Write the projects of this example: ``python make.py [NUMBER]``, a hundred unless said otherwise.

A repository of yours holds its models. Here they are made, each of its number and nothing else, so that this one
stays small: what a store sells on each day of the week, and a request with the answer that is to come.
"""

import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
DAYS = 7


def project(number: int) -> dict[str, str]:
    """The files of one project."""
    drawn = random.Random(number)
    week = [round(drawn.uniform(20, 80), 1) for _ in range(DAYS)]
    first = drawn.randrange(DAYS)
    label = f'"com.example.store" = "{number:03}"'
    return {
        "dagger-aml.toml": f'extends = "../../common/common.toml"\nlabels = {{ {label} }}\n',
        "model/demand.json": json.dumps({"week": week}) + "\n",
        "request.json": json.dumps({"first": first, "days": 3}) + "\n",
        "answer.json": json.dumps({"demand": [week[(first + day) % DAYS] for day in range(3)]}) + "\n",
    }


def main(number: int) -> None:
    """Write them below ``models``."""
    for each in range(1, number + 1):
        for name, text in project(each).items():
            path = HERE / "models" / f"store-{each:03}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print(f"{number} projects are in {HERE / 'models'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
