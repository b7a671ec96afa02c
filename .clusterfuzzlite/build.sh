#!/bin/bash -eu
exec "$SRC/tapedeck/fuzz/oss-fuzz/build.sh"
