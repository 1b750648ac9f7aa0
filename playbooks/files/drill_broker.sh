# Print the seconds until the main process of every active node has a connection to the broker's port.
began=$(date +%s)
while :; do
    talking=$(ss -Htnp state established "( dport = :$1 )")
    missing=
    for unit in $(systemctl list-units --plain --no-legend --state=active 'celery@*.service' | cut -d' ' -f1); do
        case $talking in *"pid=$(systemctl show -P MainPID "$unit"),"*) ;; *) missing="$missing $unit" ;; esac
    done
    [ -n "$missing" ] || break
    [ $(($(date +%s) - began)) -lt 300 ] || { echo "no connection after 300 s:$missing" >&2; exit 1; }
    sleep 0.5
done
echo $(($(date +%s) - began))
