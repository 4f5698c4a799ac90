#!/usr/bin/env bash
# clang-tidy 19 on the C++ files that differ from the main branch, or from the last commit on it; --all: on every file.
# FILE...: on these. TIDY_JOBS (2) at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
case ${1:-} in
  --all) mapfile -t files < <(git ls-files '*.cc') ;;
  "")
    base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
    [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse -q --verify HEAD~1 || git hash-object -t tree /dev/null)
    mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- '*.cc') ;;
  *) files=("$@") ;;
esac
# A header is checked with the files that include it, so a change of a header alone is seen with --all.
cmake --preset tidy >/dev/null
ninja -C build/tidy -t targets all | sed -n 's/\(.*\.pb\.h\): CUSTOM_COMMAND$/\1/p' | xargs ninja -C build/tidy >/dev/null
checked=()
for file in "${files[@]}"; do
  # Files that are in no build have nothing to check.
  grep -q "/$file\"" build/tidy/compile_commands.json && checked+=("$file")
done
[ ${#checked[@]} -gt 0 ] || { echo "no C++ file changed"; exit 0; }
echo "checking ${#checked[@]} files"
printf '%s\0' "${checked[@]}" | xargs -0 -n 1 -P "${TIDY_JOBS:-2}" clang-tidy-19 -p build/tidy --quiet
