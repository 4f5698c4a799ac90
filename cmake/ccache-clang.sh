#!/bin/sh
# ccache-clang.sh CCACHE COMPILER ARGUMENTS...: ccache for clang with precompiled headers.
#
# clang's precompiled headers hold absolute paths: one from another checkout is of no use here, and two made from the
# same text differ. So they are compiled in place (once per build directory), and what compiles against them is looked
# up by a sum of the headers' texts, which every checkout of the same source shares.
ccache=$1
shift
case " $* " in
  *" -emit-pch "*) ;;
  *) CCACHE_PCH_EXTSUM=1 exec "$ccache" "$@" ;;
esac
"$@" || exit
for argument in "$@"; do
  case $argument in *.pch.d) depfile=$argument ;; esac
done
sed -e 's/^[^:]*://' -e 's/\\$//' "$depfile" | xargs cat | sha256sum >"${depfile%.d}.sum"
