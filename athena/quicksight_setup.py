"""`labelwatch quicksight` as a script beside the definition: python athena/quicksight_setup.py up --help."""

import sys

from labelwatch.__main__ import main

if __name__ == "__main__":
    sys.argv.insert(1, "quicksight")
    main()
