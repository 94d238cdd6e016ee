"""``dagger-aml`` and ``python -m dagger_aml``"""

import gc
import signal


def main() -> None:
    """Run the command line and exit. Ctrl-C while its modules are loaded ends it as it ends any program."""
    gc.set_threshold(200_000)  # Loading makes ten thousands of objects that stay, which are looked through in vain.
    by_python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if by_python:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run

    if by_python:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    finally:
        gc.freeze()  # All memory is given back at once: nothing is gained by looking for cycles in it before.


if __name__ == "__main__":
    main()
