#!/bin/bash -eu
# Builds every fuzz target into $OUT, as OSS-Fuzz and ClusterFuzzLite want it: with the compiler, flags and engine that the
# environment names, and none of ours. Abseil is built from $SRC/abseil-cpp with the same flags, since that image forces
# libc++.
#
# Into $OUT: <target>, <target>_seed_corpus.zip, <target>.dict, <target>.options. Nothing else: a program with a target in it
# would be taken for a fuzzer.
cd "$SRC/tapedeck"
cmake -S . -B "$WORK/build" -G Ninja \
  -DCMAKE_BUILD_TYPE=Plain -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=24 \
  -DTAPEDECK_TESTS=OFF -DTAPEDECK_FUZZ=external \
  -DTAPEDECK_ABSEIL_SOURCE="$SRC/abseil-cpp"
mapfile -t targets < fuzz/targets.txt
cmake --build "$WORK/build" --target "${targets[@]/%/_fuzzer}"
for target in "${targets[@]}"; do
  cp "$WORK/build/bin/${target}_fuzzer" "$OUT/$target"
  directories=()
  for directory in "corpus/fuzz/$target" "corpus/regress/$target"; do
    if [[ -d $directory ]]; then directories+=("$directory"); fi
  done
  if ((${#directories[@]})); then zip -q -r -j "$OUT/${target}_seed_corpus.zip" "${directories[@]}"; fi
  cp "fuzz/dictionaries/$target.dict" "$OUT/$target.dict"
  printf '[libfuzzer]\nmax_len = 4096\ndict = %s.dict\n' "$target" > "$OUT/$target.options"
  # As fuzz/mutate/libfuzzer_mutator.cc says it of targets that play scripts.
  if ! grep -q "tapedeck_fuzz_target($target BYTES" fuzz/CMakeLists.txt; then
    echo 'use_counters = 0' >> "$OUT/$target.options"
  fi
done
