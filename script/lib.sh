# shellcheck shell=bash
# Sourced by the other scripts: where things are, steps with elapsed time, logs, and cleaning up after Ctrl-C.
#
# What may be set from outside:
#   EVENKEEL_CACHE     folder of the toolchain and of downloads; ${XDG_CACHE_HOME:-~/.cache}/evenkeel
#   EVENKEEL_RELEASES  Debian releases to test on, separated by spaces; "trixie bookworm"
#   EVENKEEL_NET       first three numbers of the test network, for example 10.77.9; a free one is found if not set
#   PIP_CERT           certificates that the test hosts' pip trusts (a company proxy's); the machine's bundle
set -Eeuo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$ROOT/build
LOGS=$BUILD/log
CACHE=${EVENKEEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/evenkeel}
SCRIPT=${0##*/}
cd "$ROOT"
mkdir -p "$LOGS" "$CACHE"

# Two checkouts on one machine must not meet: the name of every container and network holds this.
EVENKEEL_ID=$(printf %s "$ROOT" | sha256sum | cut -c1-6)
EVENKEEL_RELEASES=${EVENKEEL_RELEASES:-trixie bookworm}
EVENKEEL_CACHE=$CACHE
EVENKEEL_CA=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}
export EVENKEEL_ID EVENKEEL_RELEASES EVENKEEL_CACHE EVENKEEL_CA

# What the tools would otherwise leave in the home folder.
export ANSIBLE_HOME=$BUILD/ansible-home ANSIBLE_NOCOWS=1
# Where the collection is: the checkout (build/ansible_collections/evenkeel/wsgi), or what script/test has installed.
export EVENKEEL_COLLECTIONS=${EVENKEEL_COLLECTIONS:-$BUILD}
export ANSIBLE_COLLECTIONS_PATH=$EVENKEEL_COLLECTIONS
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
unset ANSIBLE_CONFIG ANSIBLE_INVENTORY

# ---- saying what is done -------------------------------------------------------------------------------------------

STEP=0
STATUS=0                   # of the last step
STEPS=${STEPS:-0}          # how many there will be; the script sets it
PASSED=0
FAILED=0
REPORT=()                  # "result seconds title", for summary()

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$SCRIPT" "$*" >&2; exit 1; }
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# The lines of a log that say what went wrong: the fatal tasks, pytest's failures, or else its end.
failing_part() {
    local log=$1
    if grep -q '^\[ *[0-9]*/[0-9]* .*FAILED' "$log"; then   # a script of ours, which has chosen already
        sed -n '/^\[ *[0-9]*\/[0-9]* .*FAILED/,$p' "$log" | grep -v '^\[.* ok [0-9:]*$' | head -n 150
    elif grep -q '^FATAL: ' "$log"; then               # ansible-test
        grep -E '^(ERROR|FATAL): ' "$log" | cut -c1-400 | head -n 80
    elif grep -qE '^(fatal|failed): \[|^\[ERROR\]' "$log"; then
        awk '/^(TASK|RUNNING HANDLER|PLAY) /{block=""; bad=0}
             {block = block $0 "\n"}
             /^(fatal|failed): \[|^\[ERROR\]/{bad=1}
             bad{printf "%s", block; block=""}' "$log" | cut -c1-2000 | tail -n 60
    elif grep -q '^=\+ \(FAILURES\|ERRORS\) =\+$' "$log"; then
        sed -n '/^=\+ \(FAILURES\|ERRORS\) =\+$/,$p' "$log" | tail -n 80
    else
        tail -n 40 "$log"
    fi | sed 's/^/    | /'
}

headline() { printf '[%*d/%d %5s] %-58s ' "${#STEPS}" "$STEP" "$STEPS" "$(clock "$SECONDS")" "$1"; }

# step TITLE COMMAND...: run it with its output in build/log/, say how long it took, show the failing part. Its status is
# in STATUS: a function called as `step … || …` would run without `set -e`, and so would the command.
step() {
    STEP=$((STEP + 1))
    headline "$1"
    start "$@"
    finish_one
}

# pairs "TITLE|COMMAND..." ...: the same for many that do not need each other, two at a time: most of them wait for hosts half of the time.
pairs() {
    local one command
    for one in "$@"; do
        [[ ${#JOBS[@]} -lt 2 ]] || { STEP=$((STEP + 1)); finish_one with_head; }
        read -ra command <<<"${one#*|}"
        start "${one%%|*}" "${command[@]}"
    done
    while [[ ${#JOBS[@]} -gt 0 ]]; do
        STEP=$((STEP + 1))
        finish_one with_head
    done
}

# Wait for the job that ends next and say how it went.
finish_one() {
    local job started log title took
    set +e
    wait -n -p job "${!JOBS[@]}"
    STATUS=$?
    set -e
    IFS='|' read -r started log title <<<"${JOBS[$job]}"
    unset "JOBS[$job]"
    took=$((SECONDS - started))
    [[ $# == 0 ]] || headline "$title"
    if [[ $STATUS == 0 ]]; then
        say "ok $(clock "$took")"
        PASSED=$((PASSED + 1))
        REPORT+=("passed $took $title")
    else
        say "FAILED $(clock "$took")"
        failing_part "$log" || true # `head` ends before those that write to it
        say "    whole log: $log"
        FAILED=$((FAILED + 1))
        REPORT+=("FAILED $took $title")
    fi
}

# A step without which the script cannot go on.
must() {
    step "$@"
    [[ $STATUS == 0 ]] || exit 1
}

plain() { export NO_COLOR=1 ANSIBLE_NOCOLOR=1 ANSIBLE_FORCE_COLOR=0 PY_COLORS=0; }

# A job has a process group of its own, so that a signal reaches this shell at once and the job can be ended as a whole.
declare -A JOBS=()         # of each running job, by its process id: "start|log|title"
start() {
    local title=$1 log
    shift
    log=$LOGS/$SCRIPT-$(printf %s "$title" | tr -cs '[:alnum:]' - | sed 's/-$//').log
    set -m
    (
        plain
        "$@"
    ) >"$log" 2>&1 </dev/null &
    set +m
    JOBS[$!]="$SECONDS|$log|$title"
}

# A job that is seen on the terminal; its status is in STATUS.
foreground() {
    local job
    set -m
    "$@" </dev/null &
    job=$!
    set +m +e
    JOBS[$job]="$SECONDS||$1"
    wait "$job"
    STATUS=$?
    set -e
    unset "JOBS[$job]"
}

summary() {
    local line result seconds title
    say ""
    for line in "${REPORT[@]}"; do
        read -r result seconds title <<<"$line"
        printf '%-8s %6s  %s\n' "$result" "$(clock "$seconds")" "$title"
    done
    printf '%-8s %6s  %s\n\n' "" "$(clock "$SECONDS")" "in all; logs in $LOGS"
    say "$PASSED passed, $FAILED failed"
    [[ $FAILED == 0 ]]
}

# ---- cleaning up ---------------------------------------------------------------------------------------------------

CLEANUPS=()
on_exit() { CLEANUPS+=("$1"); }

# Every process that a process started, itself first. Ansible and Molecule give theirs groups of their own.
family() {
    ps -eo pid=,ppid= | awk -v first="$1" '
        {children[$2] = children[$2] " " $1}
        function tell(pid, list, n, i) {print pid; n = split(children[pid], list, " "); for (i = 1; i <= n; i++) tell(list[i])}
        END {tell(first)}'
}

# End the running jobs with all that they started, and wait for them: a script among them cleans up too.
end_jobs() {
    local try job pids
    mapfile -t pids < <(for job in "${!JOBS[@]}"; do family "$job"; done)
    kill -TERM "${pids[@]}" 2>/dev/null
    for try in {1..300}; do
        kill -0 "${pids[@]}" 2>/dev/null || return
        [[ $try != 250 ]] || kill -KILL "${pids[@]}" 2>/dev/null
        sleep 0.1
    done
}

finish() {
    local status=$? command
    trap - EXIT INT TERM HUP
    set +e
    [[ ${#JOBS[@]} == 0 ]] || end_jobs
    for command in "${CLEANUPS[@]}"; do
        eval "$command"
    done
    exit "$status"
}
trap finish EXIT
trap 'say ""; say "$SCRIPT: interrupted, cleaning up"; exit 130' INT
trap 'exit 143' TERM HUP

# ---- Debian's packages ---------------------------------------------------------------------------------------------

install_packages() {
    command -v apt-get >/dev/null || die "missing: $*. Install them; only on Debian can this script do it."
    [[ $(id -u) == 0 ]] || die "missing: $*. Run as root: apt-get install $*"
    export DEBIAN_FRONTEND=noninteractive
    [[ -n ${APT_UPDATED:-} ]] || apt-get -q -o DPkg::Lock::Timeout=120 update
    APT_UPDATED=1
    apt-get -q -y -o DPkg::Lock::Timeout=120 --no-install-recommends install "$@"
}

# ---- the toolchain -------------------------------------------------------------------------------------------------

# Where this checkout's toolchain is: another pin or another Python makes another one.
toolchain() {
    local python
    python=$(python3 -c 'import sys; print(sys.implementation.cache_tag, sys.base_prefix)')
    printf '%s/toolchain-%s' "$CACHE" "$({ printf '%s' "$python"; cat "$ROOT/tests/requirements.txt"; } | sha256sum | cut -c1-12)"
}

# need toolchain | need docker: what the calling script cannot do without; quick when it is there.
need() {
    if [[ ${EVENKEEL_BOOTSTRAPPED:-} != "$ROOT docker" && ${EVENKEEL_BOOTSTRAPPED:-} != "$ROOT $1" ]]; then
        "$ROOT/script/bootstrap" "$1"
        export EVENKEEL_BOOTSTRAPPED="$ROOT $1"
    fi
    VENV=$(toolchain)
    export VENV PATH="$VENV/bin:$PATH"
}

# ---- the test bed --------------------------------------------------------------------------------------------------

# Images are named after what they are made of and the week: apt's lists in them go stale.
image_tag() {
    { cd "$ROOT/testbed" && find . -type f -print0 | sort -z | xargs -0 sha256sum; date +%G-%V; } | sha256sum | cut -c1-10
}

# testbed NAME: names, network and images for one group of hosts (a scenario, the demo); exported for Molecule.
testbed() {
    local tag
    EVENKEEL_GROUP=$1
    EVENKEEL_PREFIX=evenkeel-$EVENKEEL_ID-$1
    EVENKEEL_NET=${EVENKEEL_NET:-$(free_network "$EVENKEEL_PREFIX")}
    tag=$(image_tag)
    EVENKEEL_TAG=$tag
    EVENKEEL_IMAGE=evenkeel-host:${EVENKEEL_RELEASE:-trixie}-$tag
    export EVENKEEL_GROUP EVENKEEL_PREFIX EVENKEEL_NET EVENKEEL_TAG EVENKEEL_IMAGE
}

# The example application as an archive that is the same whenever its files are: it names the release.
example_archive() {
    local made=$BUILD/shop.tar.gz.$$   # two scenarios at a time may make it
    tar -C "$ROOT/examples/app" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --exclude=__pycache__ -c . | gzip -n9 >"$made"
    mv "$made" "$BUILD/shop.tar.gz"
}

# A /24 of 10.77.0.0/16: the one this network has already, or else the first free one from a number made of its name.
free_network() {
    local taken start offset net
    net=$(docker network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' "$1" 2>/dev/null || true)
    if [[ -z $net ]]; then
        taken=$(docker network ls -q | xargs -r docker network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}'
            ip -4 route show 2>/dev/null | cut -d' ' -f1)
        start=$((16#$(printf %s "$1" | sha256sum | cut -c1-4)))
        for offset in {0..255}; do
            net=10.77.$(((start + offset) % 256)).0/24
            [[ " ${taken//$'\n'/ } " == *" $net "* ]] || break
            net=
        done
    fi
    [[ -n $net ]] || die "every network of 10.77.0.0/16 is taken; set EVENKEEL_NET to three numbers of a free one, for example 10.99.1"
    printf %s "${net%.0/24}"
}

# Remove every host and the network of one group: by its label, and what a test made itself by its name.
remove_hosts() {
    {
        docker ps -aq --filter "label=evenkeel.checkout=$EVENKEEL_ID" --filter "label=evenkeel.group=$1"
        docker ps -a --filter "name=^/?evenkeel-$EVENKEEL_ID-$1-" --format '{{.ID}} {{.Label "evenkeel.group"}}' | awk 'NF == 1'
    } | xargs -r docker rm -fv >/dev/null
    docker network rm "evenkeel-$EVENKEEL_ID-$1" >/dev/null 2>&1 || true
}

# create_hosts PLATFORM...: hosts as Molecule makes them, each given as a platform of a molecule.yml.
create_hosts() {
    local platforms=
    platforms=$(printf '%s, ' "$@")
    ansible-playbook -i localhost, -e "{molecule_yml: {platforms: [$platforms]}}" molecule/shared/create.yml
}
