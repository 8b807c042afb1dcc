#!/usr/bin/env bash
# The first promise of the README, tried as a stranger would: clone, `npm start`, reach /readyz of the server and of the
# bank, Ctrl-C; start again; start after kill -9. As the user who runs this and, when that is root, as the ordinary user ringwall-ci too, from a
# checkout below that user's 0700 home.
#
# Tries what is committed (HEAD), with packages from the npm registry. Leaves nothing behind but the user ringwall-ci.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
api_port=${RINGWALL_CI_PORT:-7410}
bank_port=${RINGWALL_CI_BANK_PORT:-7491}
gateway_port=${RINGWALL_CI_GATEWAY_PORT:-7481}
ready_seconds=240
stop_seconds=45
scratch=()

say() { printf 'clean-clone: %s\n' "$*"; }
fail() {
  say "FAILED: $*"
  [ -z "${log:-}" ] || tail -n 40 "$log" | sed 's/^/  | /'
  exit 1
}

cleanup() {
  # Only what this script started: the process groups it made, and the folders it filled.
  [ -z "${group:-}" ] || kill -KILL -- "-$group" 2>/dev/null || true
  [ -z "${data:-}" ] || stop_postgres "$data"
  for folder in "${scratch[@]}"; do rm -rf "$folder"; done
}
trap cleanup EXIT

# A supervisor that was killed leaves its PostgreSQL to the next start; after the last one nobody would end it.
stop_postgres() {
  local pid_file="$1/postgres/pgdata/postmaster.pid" pid
  [ -r "$pid_file" ] || return 0
  pid=$(head -n 1 "$pid_file")
  kill -INT "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
}

status_of() {
  node -e 'fetch(process.argv[1], { signal: AbortSignal.timeout(2000) }).then((r) => console.log(r.status), () => console.log(0))' "$1"
}

# start USER FOLDER: runs npm start in a process group of its own, as a terminal would, and waits for /readyz.
start() {
  local user=$1 folder=$2 began=$SECONDS
  local command=(npm start -- --port "$api_port" --bank-port "$bank_port" --gateway-port "$gateway_port" --data "$data")
  if [ "$user" != "$(id -un)" ]; then
    command=(runuser -u "$user" -- env "HOME=$home" "npm_config_userconfig=$home/.npmrc" "npm_config_cache=$home/.npm" "${command[@]}")
  fi
  # Job control gives the background job its own group and leaves Ctrl-C working in it.
  set -m
  (cd "$folder" && exec "${command[@]}") </dev/null >"$log" 2>&1 &
  group=$!
  set +m
  # The API answers first; the last line is said when the bank does too.
  until grep -q '^Ctrl-C stops' "$log" && [ "$(status_of "http://127.0.0.1:$api_port/readyz")" = 200 ]; do
    kill -0 "$group" 2>/dev/null || fail "$user: npm start ended before it was ready"
    [ $((SECONDS - began)) -lt "$ready_seconds" ] || fail "$user: not ready, or /readyz not 200, after $ready_seconds s"
    sleep 0.2
  done
  say "$user: ready after $((SECONDS - began)) s"
  grep -E 'ready in|installed in' "$log" | sed 's/^/  | /' || true
}

wait_gone() {
  local began=$SECONDS
  while kill -0 -- "-$group" 2>/dev/null; do
    [ $((SECONDS - began)) -lt "$stop_seconds" ] || fail "$1: processes are left $stop_seconds s after the end"
    sleep 0.1
  done
}

# Ctrl-C reaches every process of the group. npm itself may end with 130, as shells do after a Ctrl-C.
interrupt() {
  local user=$1 code=0
  kill -INT -- "-$group"
  wait "$group" || code=$?
  wait_gone "$user"
  [ "$code" = 0 ] || [ "$code" = 130 ] || fail "$user: Ctrl-C ended with exit code $code"
  grep -qx stopped "$log" || fail "$user: Ctrl-C did not end in order"
  [ ! -e "$data/postgres/pgdata/postmaster.pid" ] || fail "$user: PostgreSQL still runs after Ctrl-C"
  group=
  say "$user: Ctrl-C stopped everything"
}

# kill -9 of the supervisor: its children end by themselves, and the ports are free for the next start.
kill_supervisor() {
  local user=$1 claim pid
  claim=$(ls "$data/run/claims")
  pid=${claim%%.*}
  kill -KILL "$pid"
  wait "$group" 2>/dev/null || true
  wait_gone "$user"
  group=
  say "$user: killed the supervisor ($pid) with kill -9"
}

# try USER FOLDER: the whole story in one clone.
try() {
  local user=$1 folder=$2 code
  start "$user" "$folder"
  grep -q "localhost:$api_port" "$log" || fail "$user: npm start does not say where to go"
  grep -q "localhost:$bank_port" "$log" || fail "$user: npm start does not say where the bank is"
  [ "$(status_of "http://127.0.0.1:$bank_port/readyz")" = 200 ] || fail "$user: the bank is not ready"
  # Nobody watches this start, so the first credentials wait in a file that its owner alone reads.
  [ "$(stat -c %a "$data/first-run.txt")" = 600 ] || fail "$user: the first credentials are not in a 0600 file"
  ! grep -qF "$(grep -m 1 password "$data/first-run.txt" | awk '{ print $2 }')" "$log" "$data"/log/*.log ||
    fail "$user: a password is in a log"
  # A second one is refused by name of the port, and disturbs nothing.
  code=0
  (cd "$folder" && PATH="$folder/node_modules/.bin:$PATH" node --conditions=source apps/cli/main.ts start \
    --port "$api_port" --bank-port "$bank_port" --gateway-port "$gateway_port" --data "$data") >"$log.second" 2>&1 || code=$?
  [ "$code" = 1 ] && grep -q "port $api_port" "$log.second" || fail "$user: a taken port is not named"
  [ "$(status_of "http://127.0.0.1:$api_port/readyz")" = 200 ] || fail "$user: the second start disturbed the first"
  interrupt "$user"
  start "$user" "$folder"
  kill_supervisor "$user"
  start "$user" "$folder"
  interrupt "$user"
  local changed
  changed=$(git -c safe.directory='*' -C "$folder" status --porcelain)
  [ -z "$changed" ] || fail "$user: starting changed the checkout: $changed"
}

clone() {
  git -c safe.directory='*' clone --quiet --no-hardlinks "$repository" "$1"
}

if [ "$(id -u)" = 0 ]; then
  # Not the machine's own data, and not below a 0700 folder: PostgreSQL runs as another user and has to get there.
  data=/var/lib/ringwall-clean-clone.$$
else
  data=$(mktemp -d)/data
  scratch+=("$(dirname "$data")")
fi
work=$(mktemp -d)
scratch+=("$work" "$data")
log=$work/start.log
say "as $(id -un), from $work (mode $(stat -c %a "$work"))"
clone "$work/ringwall"
try "$(id -un)" "$work/ringwall"

if [ "$(id -u)" = 0 ]; then
  id ringwall-ci >/dev/null 2>&1 || useradd --create-home --shell /bin/bash ringwall-ci
  home=$(getent passwd ringwall-ci | cut -d: -f6)
  chmod 700 "$home"
  data=$home/.local/state/ringwall-clean-clone.$$
  folder=$home/clean-clone.$$
  scratch+=("$folder" "$data")
  # The registry and its certificate as root has them; nothing else of root's configuration.
  {
    echo "registry=$(npm config get registry)"
    cafile=$(npm config get cafile)
    case $cafile in null | undefined | '') ;; *) echo "cafile=$cafile" ;; esac
  } >"$home/.npmrc"
  clone "$folder"
  chown -R ringwall-ci: "$folder" "$home/.npmrc"
  say "as ringwall-ci, from $folder (home has mode $(stat -c %a "$home"))"
  try ringwall-ci "$folder"
else
  say "not root: only as $(id -un)"
fi
say "passed"
