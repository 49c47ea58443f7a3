# SPDX-License-Identifier: Apache-2.0
"""`python -m duaarah ...`"""

import sys

from duaarah.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
