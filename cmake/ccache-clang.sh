#!/usr/bin/env bash
# ccache-clang.sh CCACHE COMPILER ARGUMENTS...: ccache for clang with precompiled headers.
#
# clang's precompiled headers hold absolute paths: one from another checkout is of no use here, and two made from the
# same text differ. So they are compiled in place (once per build directory), and what compiles against them is looked
# up by a sum of the headers' texts, which every checkout of the same source shares.
ccache=$1
shift
arguments=()
for argument in "$@"; do
  case $argument in
    -emit-pch) precompiles=1 ;;
    *.pch.d) depfile=$argument ;;
    */cmake_pch.hxx)
      # `-Xclang -include -Xclang FILE` repeats what is precompiled, with a path that ccache cannot make relative.
      unset 'arguments[-1]' 'arguments[-1]' 'arguments[-1]'
      continue ;;
  esac
  arguments+=("$argument")
done
if [ -z "${precompiles:-}" ]; then
  # Depend mode: a preprocessor run would need the headers' include paths in every target.
  CCACHE_PCH_EXTSUM=1 CCACHE_DEPEND=1 exec "$ccache" "${arguments[@]}"
fi
"$@" || exit
sed -e 's/^[^:]*://' -e 's/\\$//' "$depfile" | xargs cat | sha256sum >"${depfile%.d}.sum"
