#!/bin/sh
# Runs the link command it is given, with libX.a in the place of every system library libX.so that has one.
# Used by SliceletStaticLink.cmake.
command=$1
shift
count=$#
while [ "$count" -gt 0 ]; do
  argument=$1
  shift
  case $argument in
    /usr/lib/*/lib*.so | /usr/lib/*/lib*.so.*)
      archive=${argument%%.so*}.a
      [ ! -f "$archive" ] || argument=$archive
      ;;
  esac
  set -- "$@" "$argument"
  count=$((count - 1))
done
exec "$command" "$@"
