"""The command line: `python -m tests.standin build|push|serve`."""

import argparse
import logging
import signal
import sys
import threading

from . import VARIANTS, StandInError, ensure, missing, push, registry


def main() -> int:
    """Carry out one command; exit code 1 with a sentence where the machine cannot."""
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build into the cache and print the archives' paths")
    build.add_argument("variant", nargs="*", help="classic, curated (default: both)")
    pushing = commands.add_parser("push", help="build, push, and print the references")
    pushing.add_argument("variant", nargs="*", help="classic, curated (default: both)")
    pushing.add_argument("--registry", default="localhost:5100", metavar="HOST:PORT")
    serving = commands.add_parser("serve", help="serve a registry with both images until stopped")
    serving.add_argument("--port", type=int, default=5100)
    options = parser.parse_args()
    logging.basicConfig(format="standin: %(message)s", level=logging.INFO)

    lacking = missing()
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    try:
        if options.command == "build":
            for variant in options.variant or VARIANTS:
                print(ensure(variant))
        elif options.command == "push":
            for variant in options.variant or VARIANTS:
                print(push(variant, options.registry))
        else:
            _serve(options.port)
    except StandInError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _serve(port: int) -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with registry(port) as name:
        for variant in VARIANTS:
            print(push(variant, name), flush=True)
        stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
