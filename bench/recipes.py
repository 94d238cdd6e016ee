"""How fast the image of each recipe starts and how large it is: `task bench:recipes` prints a table in Markdown.

The example diabetes is built on the stand-in base by the Dagger engine and put into docker's store. Each image is
started in turn, round after round, each round beginning with another, so that a machine whose speed drifts slows
all alike. The clock runs from `docker run` to the first 200 of `GET /`, asked for ten times a second; each start ends
with a scored request whose answer must be the example's. The images go again; layers shared with others stay.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.machine import machine
from tests.standin import push, registry
from tests.support.scoring import score_image

ROUNDS = 3
RECIPES = ("extended", "dynamic", "preinstalled", "package")
EXAMPLE = Path(__file__).parent.parent / "examples" / "diabetes"
MB = 1e6


def built(recipe: str, base: str, folder: Path) -> str:
    """Build the example by a recipe and return the image's name in docker's store.

    :raises subprocess.CalledProcessError: it failed; the reason was printed.
    """
    name = f"dagger-aml-bench:{recipe}"
    words = [str(EXAMPLE), "--recipe", recipe, "--base", base, "--tag", name, "--load", "--quiet"]
    subprocess.run([sys.executable, "-m", "dagger_aml", "build", *words], check=True, cwd=folder, stdout=sys.stderr)
    return name


def size(image: str) -> int:
    """Bytes of an image in docker's store: the files of all its layers."""
    asked = ["docker", "image", "inspect", "--format={{.Size}}", image]
    return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)


def seconds(image: str) -> float:
    """From `docker run` to readiness.

    :raises tests.support.scoring.ScoringError: it did not become ready.
    """
    scored = score_image(image, EXAMPLE / "request.json", runtime="docker", network=True)
    expected = json.loads((EXAMPLE / "answer.json").read_text(encoding="utf-8"))
    assert (scored.status, scored.json) == (200, expected), scored
    return scored.seconds_to_ready


def main() -> None:
    """Print the table, and below it what it was measured on."""
    on = machine()
    images: dict[str, str] = {}
    with registry() as host, tempfile.TemporaryDirectory() as folder:
        base = push("classic", host)
        subprocess.run(["docker", "pull", "--quiet", base], check=True, stdout=sys.stderr)
        try:
            for recipe in RECIPES:
                images[recipe] = built(recipe, base, Path(folder))
            beneath = size(base)
            sizes = {recipe: size(image) for recipe, image in images.items()}
            times: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
            for first in range(ROUNDS):
                for recipe in (*RECIPES[first:], *RECIPES[:first]):
                    times[recipe].append(seconds(images[recipe]))
        finally:
            subprocess.run(["docker", "rmi", *images.values()], check=False, stdout=subprocess.DEVNULL)
    print("| recipe | ready after, seconds (least to most) | image, MB | beyond the base, MB |\n|---|---|---|---|")
    for recipe, found in times.items():
        ready = f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})"
        print(f"| {recipe} | {ready} | {sizes[recipe] / MB:.0f} | {(sizes[recipe] - beneath) / MB:.1f} |")
    print(f"\nMedian of {ROUNDS} starts; {on}; the base alone: {beneath / MB:.0f} MB.")


if __name__ == "__main__":
    main()
