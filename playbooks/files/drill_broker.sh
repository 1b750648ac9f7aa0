#!/bin/sh
# drill_broker.sh SINCE UNIT...: print the seconds from SINCE (of the epoch) until the last of the units said in its journal that it is connected.
since=$1
shift
last=$since
for unit in "$@"; do
    until said=$(journalctl --quiet --unit "$unit" --since "@$since" --output short-unix --grep 'Connected to' | tail -n 1) && [ -n "$said" ]; do
        [ $(($(date +%s) - since)) -lt 300 ] || { echo "$unit did not find back within 300 s: journalctl -u $unit" >&2; exit 1; }
        sleep 0.5
    done
    when=${said%%.*}
    [ "$when" -le "$last" ] || last=$when
done
echo $((last - since))
