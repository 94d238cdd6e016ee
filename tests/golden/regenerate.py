"""Write the golden files anew: ``python -m tests.golden.regenerate``."""

from __future__ import annotations

from tests.support.day import hold

from . import HERE, present, wanted


def main() -> None:
    """Write what has changed, remove what is no longer wanted, and say so."""
    hold()
    old = present()
    for path, text in wanted():
        old.discard(path)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {path.relative_to(HERE)}")
    for path in sorted(old):
        path.unlink()
        print(f"removed {path.relative_to(HERE)}")


if __name__ == "__main__":
    main()
