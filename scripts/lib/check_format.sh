#!/usr/bin/env bash
# Layout of C++ (clang-format 19), shell scripts (shellcheck) and Python (it compiles).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
git ls-files -z '*.cc' '*.h' '*.proto' | grep -zv '\.proto$' | xargs -0 clang-format-19 --dry-run --Werror
git ls-files -z '*.sh' '.ci/run' | xargs -0 shellcheck -x --severity=warning
git ls-files -z '*.py' | xargs -0 /usr/bin/python3 -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path).read(), path)'
