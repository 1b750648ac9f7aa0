#!/bin/sh
# build_mod_wsgi.sh PYTHON VERSION FOLDER: mod_wsgi from PyPI in a virtualenv of its own. The link, made last, says that it is whole.
set -eu
rm -rf "$3"
mkdir -p "$(dirname "$3")"
"$1" -m venv "$3"
"$3/bin/pip" install --no-input --disable-pip-version-check --quiet "mod_wsgi==$2"
ln -s "$("$3/bin/mod_wsgi-express" module-location)" "$3/mod_wsgi.so"
