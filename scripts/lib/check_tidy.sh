#!/usr/bin/env bash
# clang-tidy 19 on the C++ files that differ from the main branch, or from the last commit on it; --all: on every file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ -f build/release/compile_commands.json ] || cmake --preset release >/dev/null
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files '*.cc')
else
  base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
  [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse -q --verify HEAD~1 || git hash-object -t tree /dev/null)
  mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- '*.cc')
fi
# Generated headers must exist; files that are in no build have nothing to check.
checked=()
for file in "${files[@]}"; do
  grep -q "/$file\"" build/release/compile_commands.json && checked+=("$file")
done
[ ${#checked[@]} -gt 0 ] || { echo "no C++ file changed"; exit 0; }
echo "checking ${#checked[@]} files"
printf '%s\0' "${checked[@]}" | xargs -0 -n 1 -P 2 clang-tidy-19 -p build/release --quiet
