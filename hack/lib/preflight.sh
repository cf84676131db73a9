# What `hack/up` checks before it changes anything: every finding is printed, together. Sourced, never run.
# shellcheck shell=bash

problems=()
problem() { problems+=("$*"); }

min_rust=1.95
# gantry up's default of --eviction-hard.
ports=(6443 10250 10257 10259)
pod_cidr=${GANTRY_POD_CIDR:-10.244.0.0/16}
service_cidr=${GANTRY_SERVICE_CIDR:-10.96.0.0/12}
data_dir=${GANTRY_DATA_DIR:-/var/lib/gantry}
cgroup_root=${GANTRY_CGROUP_ROOT:-/}

# First and last address of a CIDR as numbers.
cidr_range() {
    local address=${1%/*} bits=${1#*/} a b c d number size
    [ "$bits" = "$1" ] && bits=32
    IFS=. read -r a b c d <<<"$address"
    number=$(((a << 24) + (b << 16) + (c << 8) + d))
    size=$((1 << (32 - bits)))
    number=$((number & ~(size - 1)))
    printf '%d %d' "$number" "$((number + size - 1))"
}

overlaps() {
    local a b c d
    read -r a b <<<"$(cidr_range "$1")"
    read -r c d <<<"$(cidr_range "$2")"
    [ "$a" -le "$d" ] && [ "$c" -le "$b" ]
}

# True if this pid belongs to the cluster that an earlier hack/up started.
is_ours() {
    local pid=$1
    [ -n "$pid" ] && [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = /usr/local/bin/gantry ]
}

# The pids of `gantry up` on this data directory. The pid file comes only once the API server answers, and an interrupted
# hack/up may have left before.
running_pids() {
    local pid args
    for pid in /proc/[0-9]*; do
        pid=${pid#/proc/}
        mapfile -d '' args 2>/dev/null <"/proc/$pid/cmdline" || continue
        [ "${args[0]:-} ${args[1]:-}" = "/usr/local/bin/gantry up" ] || continue
        case " ${args[*]} " in *" --data-dir $data_dir "*) is_ours "$pid" && printf '%s\n' "$pid" ;; esac
    done
    return 0
}

check_rust() {
    local cargo rustc version
    cargo=$(find_cargo)
    if [ -z "$cargo" ]; then
        problem "Rust is not installed for $(invoking_user): install Rust $min_rust or newer with rustup"
        return
    fi
    rustc=$(dirname "$cargo")/rustc
    [ -x "$rustc" ] || rustc=$(command -v rustc || true)
    version=$("$rustc" --version 2>/dev/null | awk '{print $2}') || true
    version_at_least "${version:-0}" "$min_rust" ||
        problem "Rust ${version:-of unknown version} is too old: Gantry needs $min_rust or newer (rustup update stable)"
}

check_disk() { # directory, MiB, what for
    local directory=$1 free size
    while [ ! -d "$directory" ]; do directory=$(dirname "$directory"); done
    read -r free size < <(free_and_size "$directory")
    if [ "$free" -lt "$2" ]; then
        problem "$directory has $free MiB free: $3 needs $2 MiB"
    elif [ "$1" = "$data_dir" ] && [ $((free * 100)) -le $((size * min_disk_percent)) ]; then
        problem "$directory has $free of $size MiB free: a node with less than $min_disk_percent % gets no pods"
    fi
}

check_memory() {
    local kib
    kib=$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)
    [ "$kib" -ge $((1024 * 1024)) ] || problem "$((kib / 1024)) MiB of memory are available: building needs 1024 MiB"
}

check_overlayfs() {
    grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || problem "the kernel has no overlayfs: containers need it"
}

check_ports() {
    command -v ss >/dev/null || return 0 # iproute2 is among the packages that are installed next
    local port line pid name
    for port in "${ports[@]}"; do
        line=$(ss -Hltnp "sport = :$port" | head -n 1)
        [ -n "$line" ] || continue
        pid=$(sed -n 's/.*pid=\([0-9]*\).*/\1/p' <<<"$line")
        is_ours "$pid" && continue
        name=$(sed -n 's/.*users:(("\([^"]*\)".*/\1/p' <<<"$line")
        problem "port $port is held by ${name:-a process of another user} (pid ${pid:-unknown})"
    done
}

check_addresses() {
    overlaps "$pod_cidr" "$service_cidr" &&
        problem "the pods' addresses $pod_cidr overlap the Services' $service_cidr: set GANTRY_POD_CIDR or GANTRY_SERVICE_CIDR"
    command -v ip >/dev/null || return 0
    local route device
    while read -r route _ device _; do
        case $route in default | "") continue ;; esac
        [ "$device" = gantry0 ] && continue
        overlaps "$route" "$pod_cidr" && problem "the pods' addresses $pod_cidr overlap the route $route on $device: set GANTRY_POD_CIDR"
        overlaps "$route" "$service_cidr" && problem "the Services' addresses $service_cidr overlap the route $route on $device: set GANTRY_SERVICE_CIDR"
    done < <(ip -4 route show | awk '{device = ""; for (i = 1; i < NF; i++) if ($i == "dev") device = $(i + 1); print $1, "dev", device}')
    return 0
}

check_forward_policy() {
    local policy=""
    if command -v iptables >/dev/null; then
        # Without root it answers nothing.
        policy=$(iptables -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD //p') || true
    fi
    if [ "$policy" = DROP ]; then
        problem "the FORWARD policy of iptables is DROP: pods could not reach each other (iptables -P FORWARD ACCEPT, or allow the bridge gantry0)"
    fi
}

# Runs every check; prints all that is in the way and fails if there is anything.
preflight() {
    if [ "$(id -u)" != 0 ]; then problem "not root: run: sudo hack/up"; fi
    check_rust
    check_disk "$repo" 6000 "the build"
    check_disk "$data_dir" 1000 "the data directory"
    check_memory
    check_overlayfs
    check_ports
    check_addresses
    check_forward_policy
    if [ ${#problems[@]} -gt 0 ]; then
        printf 'error: %d thing(s) missing or in the way; nothing was changed:\n' ${#problems[@]} >&2
        printf '  - %s\n' "${problems[@]}" >&2
        return 1
    fi
}
