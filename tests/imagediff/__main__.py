"""The command line: `python -m tests.imagediff A B [--builders dagger,buildah]`; exit code 1 if they differ."""

import argparse
import sys

from . import ImageError, compare, read_image


def main() -> int:
    """Compare two images and print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.imagediff", description=__doc__)
    parser.add_argument("a", help="an archive or an OCI layout folder")
    parser.add_argument("b", help="another")
    parser.add_argument("--builders", help="who made them, with a comma; only their noise is allowed for")
    parser.add_argument("--limit", type=int, default=25, help="how many differences are printed (25)")
    options = parser.parse_args()
    try:
        builders = options.builders.split(",") if options.builders else None
        report = compare(read_image(options.a), read_image(options.b), builders=builders)
    except ImageError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.text(options.limit))
    return 0 if report.equal else 1


if __name__ == "__main__":
    sys.exit(main())
