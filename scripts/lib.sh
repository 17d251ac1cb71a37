# SPDX-License-Identifier: MIT
# Shared by the scripts beside it; sourced, not run. Sets $root and goes there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
caller_dir=$PWD
cd "$root"
mkdir -p build/logs

jobs=$(nproc)
build_packages=(g++ cmake ninja-build ccache pkg-config libasio-dev nlohmann-json3-dev libfmt-dev libspdlog-dev libsqlite3-dev
  libcurl4-openssl-dev)
test_packages=(catch2 json-schema-test-suite openssl)
check_packages=(python3 clang clang-format-19)

# A precompiled header is told apart by its contents, and a checkout in another folder hits the same entries.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# step NAME COMMAND...: runs the command without input and with its output in build/logs/, and prints one line when it is
# done; until then a sign of life: the last line of the log on a terminal, elsewhere a line every half minute. On failure
# prints the end of the log and exits.
step() {
  local name=$1 log start=$EPOCHREALTIME ticker status=0
  shift
  log=build/logs/${name//[^A-Za-z0-9_.-]/_}.log
  : >"$log"
  tick "$name" "$log" &
  ticker=$!
  # In the foreground, so that Ctrl-C reaches it.
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  [[ -t 1 ]] && printf '\r\e[K'
  local tenths=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 100000))
  if ((status == 0)); then
    printf '%-44s %4d.%d s\n' "$name" $((tenths / 10)) $((tenths % 10))
    return
  fi
  {
    printf '%s failed after %d s\n' "$name" $((tenths / 10))
    failed_part "$log"
    printf 'the whole log: %s\n' "$root/$log"
  } >&2
  exit "$status"
}

tick() {
  local name=$1 log=$2 seconds=0 line
  # Ends with the script, however that ends.
  while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    seconds=$((seconds + 1))
    if [[ -t 1 ]]; then
      line=$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-60)
      printf '\r\e[K%s %d s  %s' "$name" "$seconds" "$line"
    elif ((seconds % 30 == 0)); then
      line=$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-80)
      printf '  %s: %d s  %s\n' "$name" "$seconds" "$line"
    fi
  done
}

# From the first failed command of the build on, if there is one; the end of the log otherwise.
failed_part() {
  if grep -qE '^(FAILED: |CMake Error)' "$1"; then
    sed -nE '/^(FAILED: |CMake Error)/,$p' "$1" | head -n 60
  else
    tail -n 60 "$1"
  fi
}

# install_packages NAME...: installs those of the Debian packages that are missing.
install_packages() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    command -v cmake >/dev/null && command -v ninja >/dev/null && return
    fail "This is not Debian or Ubuntu: please install what these packages hold, then run this again:" "  $*"
  fi
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "Missing packages, and no sudo here. As root, run:" "  apt-get install ${missing[*]}"
    sudo -v || fail "Missing packages. As root, run:" "  apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  step "install ${missing[*]:0:3}$( ((${#missing[@]} > 3)) && echo ' ...')" apt_install
}

apt_install() {
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update && "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
}

# build PRESET ["TARGET..."] [-DOPTION=VALUE...]: configures if needed and builds.
build() {
  local preset=$1 target=${2:-all}
  shift $(($# < 2 ? $# : 2))
  # A folder that was configured somewhere else, and copied or moved here, is no use.
  if [[ -f build/$preset/CMakeCache.txt ]] && ! grep -qx "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "build/$preset/CMakeCache.txt"; then
    rm -rf "build/$preset"
  fi
  if [[ ! -f build/$preset/build.ninja ]] || (($#)); then
    step "configure $preset" configure "$preset" "$@"
  fi
  step "build $preset$([[ $target == all ]] || echo " $target")" cmake --build --preset "$preset" --target $target -j "$jobs"
}

configure() {
  local preset=$1
  shift
  if command -v ccache >/dev/null; then set -- -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "$@"; fi
  cmake --preset "$preset" "$@"
}

# run_tests PRESET [CTEST ARGUMENT...]: runs the tests and keeps ctest's closing line in $closing_line.
run_tests() {
  local preset=$1
  shift
  step "test $preset" ctest --preset "$preset" -j "$jobs" --no-tests=error "$@"
  closing_line=$(grep -E 'tests passed, .* tests failed out of' "build/logs/test_$preset.log" | tail -n 1)
}
