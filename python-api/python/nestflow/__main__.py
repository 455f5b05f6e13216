"""The command ``nestflow``: ``nestflow submit …``, ``nestflow bundle …`` and ``nestflow migrate …``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command that the arguments name."""
    from .errors import NestflowError

    try:
        if sys.argv[1:2] == ["submit"]:
            from .submit import main as submit

            return submit(sys.argv[2:])
        if sys.argv[1:2] == ["bundle"]:
            from .bundle.__main__ import main as bundle

            return bundle(sys.argv[2:])
        if sys.argv[1:2] == ["migrate"]:
            from .migrate import main as migrate

            return migrate(sys.argv[2:])
    except (NestflowError, OSError, ValueError) as error:
        print(f"nestflow: {error}", file=sys.stderr)
        return 1
    print("usage: nestflow submit | bundle | migrate (--help says more)", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
