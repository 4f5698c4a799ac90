#!/usr/bin/env bash
# Layout of C++ (clang-format 19), shell scripts (shellcheck), Python (it compiles) and, where systemd is, its units.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
git ls-files -z '*.cc' '*.h' '*.proto' | grep -zv '\.proto$' | xargs -0 clang-format-19 --dry-run --Werror
git ls-files -z '*.sh' '.ci/run' | xargs -0 shellcheck -x --severity=warning
git ls-files -z '*.py' | xargs -0 /usr/bin/python3 -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path).read(), path)'

# Else systemd gives a program up that ends five times within ten seconds, for good.
for unit in $(git ls-files '*.service'); do
  grep -q '^StartLimitIntervalSec=0$' "$unit" || { echo "$unit: StartLimitIntervalSec=0 is missing in [Unit]"; exit 1; }
done

# What systemd does not know it ignores with a warning. The programs need not be installed.
if command -v systemd-analyze >/dev/null; then
  units=$(mktemp -d)
  trap 'rm -rf "$units"' EXIT
  git ls-files '*.service' | while read -r unit; do sed 's#^ExecStart=[^ ]*#ExecStart=/bin/true#' "$unit" >"$units/${unit##*/}"; done
  complaints=$(systemd-analyze verify --man=no --recursive-errors=no "$units"/*.service 2>&1) || complaints+=" (refused)"
  [ -z "$complaints" ] || { echo "$complaints"; exit 1; }
fi
