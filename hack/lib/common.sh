# Shared by the scripts in hack/: where things are, how they speak, and how they find cargo. Sourced, never run.
# shellcheck shell=bash

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '==> %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The user for whom this runs: under sudo the one who typed it, since cargo and ~/.kube are theirs.
invoking_user() { printf '%s' "${SUDO_USER:-$(id -un)}"; }
home_of() { getent passwd "$1" | cut -d: -f6; }

# cargo of the invoking user, also where sudo reset PATH; empty when there is none.
find_cargo() {
    local home
    home=$(home_of "$(invoking_user)")
    if [ -x "$home/.cargo/bin/cargo" ]; then
        printf '%s' "$home/.cargo/bin/cargo"
    else
        command -v cargo || true
    fi
}

# True if version $1 is at least $2.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Runs cargo as the invoking user, so that the build cache stays theirs under sudo. It does not inherit the lock of hack/up,
# which it would hold when that was killed.
cargo_as_user() {
    local cargo user
    cargo=$(find_cargo)
    user=$(invoking_user)
    if [ "$(id -u)" = 0 ] && [ "$user" != root ]; then
        runuser -u "$user" -- env PATH="$(dirname "$cargo"):$PATH" CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}" "$cargo" "$@" 9>&-
    else
        PATH="$(dirname "$cargo"):$PATH" "$cargo" "$@" 9>&-
    fi
}

# A node with less of its disk free gets no pods: the kubelet's own threshold.
min_disk_percent=5

# MiB that are free, and all, where a directory lies.
free_and_size() { df --output=avail,size -BM "$1" | tail -n 1 | tr -d M; }

# Those of the given Debian packages that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s\n' "$package"
    done
}

# Installs Debian packages; refuses if apt would remove anything for it.
install_packages() {
    [ $# -gt 0 ] || return 0
    say "installing packages: $*"
    local log
    log=$(mktemp)
    if ! { apt-get install -y --no-remove --no-upgrade "$@" || { apt-get update && apt-get install -y --no-remove --no-upgrade "$@"; }; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: $* (nothing was removed or replaced)"
    fi
    rm -f "$log"
}

# Polls a command every 0.1 s for at most $1 seconds.
wait_for() {
    local seconds=$1 end
    shift
    end=$(($(date +%s%N) + seconds * 1000000000))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s%N)" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# Runs a program with a directory of its own (named as mktemp's template $1 says) for what it writes, and returns its code. Upon
# Ctrl-C or SIGTERM the program ends what it started before it ends itself; then the directory goes.
in_scratch() {
    local code=0
    scratch=$(mktemp -d "$1")
    shift
    program=
    trap scratch_goes EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    TMPDIR=$scratch "$@" &
    program=$!
    wait "$program" || code=$?
    program=
    return "$code"
}
scratch_goes() {
    [ -z "$program" ] || { kill -TERM "$program" 2>/dev/null && wait "$program"; } || true
    rm -rf "$scratch"
}
