#!/bin/sh
# Kill a node's main process; print the seconds until systemd has a new one that stays up, and fail when another node changed.
nodes() { systemctl list-units --plain --no-legend --state=active 'celery@*.service' | cut -d' ' -f1; }
others() { nodes | grep -vx "$unit" | xargs -r systemctl show -P MainPID; }

unit=${1:+celery@$1.service}
unit=${unit:-$(nodes | head -n 1)}
systemctl is-active --quiet "$unit" || { echo "no active node $unit" >&2; exit 1; }
before=$(systemctl show -P MainPID "$unit")
siblings=$(others)
began=$(date +%s%N)
kill -KILL "$before"
until now=$(systemctl show -P MainPID "$unit") && [ "$now" != 0 ] && [ "$now" != "$before" ]; do
    [ $(($(date +%s%N) - began)) -lt 120000000000 ] || { echo "$unit is not back after 120 s" >&2; exit 1; }
    sleep 0.1
done
took=$(($(date +%s%N) - began))
sleep 5
[ "$(systemctl show -P MainPID "$unit")" = "$now" ] || { echo "$unit came back and died again: journalctl -u $unit" >&2; exit 1; }
[ "$(others)" = "$siblings" ] || { echo "other nodes changed" >&2; exit 1; }
echo "$took" | awk '{printf "%.1f\n", $1 / 1e9}'
