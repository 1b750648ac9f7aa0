#!/bin/sh
# Print what a host is: its packages, accounts, enabled and running units, and every file that configures or runs something.
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
getent passwd
getent group
systemctl list-unit-files --no-legend --plain --no-pager
# Of the services all but those that a timer or the bus starts and that end by themselves.
systemctl list-units --no-legend --plain --no-pager --type=service --state=active | awk '{print $1}' | grep -v -e '^apt-daily' -e '^dpkg-db' -e '^systemd-timedated'
find /etc /home /lib/systemd /opt /root /srv /usr/local /usr/sbin /var/lib/dpkg/info /var/www \
    -xdev -not -name __pycache__ -not -path '*/.ansible*' -printf '%p %y %m %u:%g %l' \( -type f -printf ' %s %T@' -o -true \) -printf '\n' 2>/dev/null | sort
